"""`autotp compare`: what it takes, what it answers, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import autotp as package
from autotp.deploy.tuned import read_tuned, write_tuned
from tests.support.command_line import autotp
from tests.support.models import dynamic_model, matmul_model

EXIT_CODES = {"win": 0, "tie": 0, "lose": 1, "unknown": 3}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"), width=256)


@pytest.fixture(scope="module")
def tuned(model: Path) -> Path:
    """A tuned file of that model, from a tuning too short for a verdict."""
    package.tune(model, budget_s=0.5, out=model.parent / "out")
    return model.parent / "out" / "tuned.yaml"


def compared(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the JSON and the other notices of a comparison that has time for a look at outputs alone."""
    code, out, err = autotp("compare", *arguments, "--budget", "0.5s", "--json")
    *before, short = err.splitlines(keepends=True)
    assert "0.5 s are too short for a verdict here: give at least " in short
    return code, json.loads(out), "".join(before)


def test_a_tuned_file_brings_its_model(tuned: Path) -> None:
    """Against a hint nothing else needs to be said; the JSON has the agreed keys and the code fits the verdict."""
    code, found, err = compared(str(tuned), "hint:Latency")
    assert list(found)[:4] == ["ratio", "low", "high", "verdict"]
    assert (code, found["verdict"], err) == (3, "unknown", "")
    assert "a verdict needs 6 processes of each config" in found["reason"]
    assert found["objective"] == "throughput"
    assert found["b"]["effective"]["requests"] >= 1


def test_aliases_are_two_arms(model: Path) -> None:
    """The same config twice is compared as anything else, here at a latency, one request at a time."""
    code, found, _ = compared(
        "num_streams=1", "num_streams=1", "--model", str(model), "--objective", "latency_p50"
    )
    assert code == EXIT_CODES[found["verdict"]]
    assert found["objective"] == "latency_p50"
    assert found["a"]["effective"] == found["b"]["effective"]
    assert found["a"]["effective"]["requests"] == 1


def test_text_says_it_in_a_sentence(model: Path, tmp_path: Path) -> None:
    """A table of both, and a line that ends in the verdict; knobs come from a file, too."""
    (tmp_path / "mine.yaml").write_text("num_streams: 1\nnireq: 2\n")
    sides = (str(tmp_path / "mine.yaml"), "hint:NONE")
    code, out, _ = autotp("compare", *sides, "--model", str(model), "--budget", "0.5s")
    assert code == 3
    assert "B: hint:NONE" in out
    assert ": UNKNOWN\n" in out


def test_a_tuned_file_of_another_machine_is_compared_with_a_warning(tuned: Path, tmp_path: Path) -> None:
    """Its properties are what is compared; one line on stderr says that it was tuned elsewhere."""
    content = read_tuned(tuned)
    (profile,) = content.profiles
    elsewhere = msgspec.structs.replace(profile.machine, fingerprint="0" * 16, hard={"sockets": 64})
    profiles = (msgspec.structs.replace(profile, machine=elsewhere),)
    write_tuned(tmp_path / "t.yaml", msgspec.structs.replace(content, profiles=profiles), "a\nb\nc")
    code, _, err = compared(
        str(tmp_path / "t.yaml"), str(tuned), "--model", str(tuned.parent.parent / "model.xml")
    )
    assert code == 3
    assert err.startswith("autotp: warning: ")
    assert "this machine is not one that was tuned for" in err
    assert err.count("\n") == 1


def test_two_tuned_files_of_different_models_are_refused(tuned: Path, tmp_path: Path) -> None:
    """They can't be compared, on whatever model."""
    content = read_tuned(tuned)
    other = msgspec.structs.replace(content.model, graph_sha256="0" * 64)
    write_tuned(tmp_path / "t.yaml", msgspec.structs.replace(content, model=other), "a\nb\nc")
    for model in ((), ("--model", str(tuned.parent.parent / "model.xml"))):
        code, out, err = autotp("compare", str(tuned), str(tmp_path / "t.yaml"), *model)
        assert (code, out) == (2, "")
        assert "of different models" in err


def test_two_shapes_want_a_third(tuned: Path, tmp_path: Path) -> None:
    """Files tuned at different shapes are compared at one that the person names."""
    content = read_tuned(tuned)
    shaped = msgspec.structs.replace(
        content.model, shapes={"x": (2, 256)}, path=str(tuned.parent.parent / "model.xml")
    )
    write_tuned(tmp_path / "t.yaml", msgspec.structs.replace(content, model=shaped), "a\nb\nc")
    code, _, err = autotp("compare", str(tuned), str(tmp_path / "t.yaml"))
    assert (code, "--shape" in err) == (2, True)
    assert compared(str(tuned), str(tmp_path / "t.yaml"), "--shape", "x=[1,256]")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("hint:fast", "hint:none"), "performance_hint"),
        (("gone.yaml", "hint:none"), "neither a file nor"),
        (("num_streams=0", "hint:none"), "num_streams"),
        (("hint:none", "nstreams=1"), "nstreams"),
        (("hint:none", "hint:none", "--objective", "speed"), "no objective 'speed'"),
        (("hint:none", "hint:none", "--shape", "x=[3]"), "x=[3]"),
        (("hint:none", "hint:none", "--data", "gone.npz"), "gone.npz"),
        (("hint:none", "hint:none", "--rate", "5", "--objective", "throughput"), "latency_p99"),
        (("hint:none", "hint:none", "--rate", "0"), "rate must be"),
        (("hint:none", "numa_nodes=[77]"), "numa_nodes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_compared_is_bad_input(arguments: tuple[str, ...], words: str, model: Path) -> None:
    """One sentence, exit code 2, no trace."""
    code, out, err = autotp("compare", *arguments, "--model", str(model), "--budget", "0.5s")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_without_a_model_it_says_how_to_name_one(tmp_path: Path) -> None:
    """Two configs bring no model; a dynamic one needs a shape."""
    code, _, err = autotp("compare", "hint:none", "hint:latency")
    assert (code, "--model" in err) == (2, True)
    code, _, err = autotp("compare", "hint:none", "hint:latency", "--model", str(dynamic_model(tmp_path)))
    assert (code, "--shape" in err) == (2, True)
