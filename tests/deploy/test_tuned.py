"""tuned.yaml holds all that DESIGN promises, comes back equal, and refuses what it doesn't know."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autotp.deploy.headline import headline
from autotp.deploy.tuned import (
    VERSION,
    Objective,
    ParetoPoint,
    Result,
    TunedBaseline,
    TunedMachine,
    TunedModel,
    TunedOutputs,
    TunedWorkload,
    read_tuned,
    write_tuned,
)
from autotp.errors import InputError, TunedError
from autotp.files.yaml_writer import dump_yaml
from autotp.findings.interval import Interval
from autotp.findings.loop import Loop
from autotp.findings.proof import Proof, ProofState
from autotp.findings.ruling import Ruling
from autotp.runtime.models.model_files import ModelKind
from autotp.space.aliases.effective import Effective
from autotp.tuning.study.storage_url import public_url
from tests.support.tuned_files import profile, tuned

COMMENT = 'Twice as fast.\nProven: no: 12:30, "quoted" # and more.\nDeploy: autotp.load("tuned.yaml")'


COMPLETE = tuned(
    profile(
        {
            "distribution_policy": "tensor_parallel",
            "split_count": 2,
            "num_streams": 1,
            "enable_cpu_pinning": False,
            "inference_precision_hint": "f32",
        },
        machine=TunedMachine(
            fingerprint="1234567890123e45",
            hard={"sockets": 4, "isa": ["avx2", "no"], "cpu_quota": 1.5, "memory_class_bytes": None},
            soft={"kernel": "6.10", "microcode": "0x2b000590", "cpu_model": "Intel(R) Xeon(R) @ 2.00GHz: no"},
        ),
        affinity=("0-7",),
        effective=Effective(
            streams=1, threads=8, sub_streams=2, split_nodes=0, requests=1, precision="f32", pinned=False
        ),
        proof=Proof(state=ProofState.ACTIVE, sub_streams=2, threads=8, threads_without=4),
        result=Result(
            verdict=Ruling.WIN,
            gain=Interval(median=1.84, low=1.8, high=1.9),
            baseline=TunedBaseline(
                config={"performance_hint": "none"}, metrics={"throughput_per_s": 100.0}, own=True
            ),
            metrics={"throughput_per_s": 184.0, "latency_p50_s": 1e-05},
            noise_floor=1.012,
            outputs=TunedOutputs(max_abs_error=1e-06, baseline_max_abs_error=0.0),
            reason="no: it is yes",
            others={"latency_p50": Interval(median=0.9, low=0.8, high=0.95)},
            left_out=("latency_p99",),
        ),
        pareto=(ParetoPoint(config={"nireq": 2}, metrics={"throughput_per_s": 150.0, "latency_p99_s": 0.001}),),
    ),
    profile(),
    model=TunedModel(
        path="../models/no.xml",
        kind=ModelKind.IR,
        graph_sha256="12e4" * 16,
        weights_bytes=57_000_000,
        shapes={"x": (1, 3, 48, 320), "y": ()},
    ),
    workload=TunedWorkload(
        kind=Loop.ASYNC,
        nireq=8,
        inputs="data.npz",
        seed=3,
        rate_per_s=100.0,
        prompt_tokens=512,
        new_tokens=64,
        batch=1,
        data_dependent=True,
        sample_count=8,
        options={"turns": 3},
    ),
    objective=Objective(metrics=("throughput", "latency_p99"), constraints=("latency_p99<20ms",)),
    study=msgspec.structs.replace(tuned().study, kept="2 of 6 processes fit into the budget"),
)
FIRST_RELEASE = Path(__file__).parent / "data" / "tuned-0.1.yaml"
PLAIN: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(COMPLETE))


def written(folder: Path, data: object) -> Path:
    """The file of `data`."""
    path = folder / "tuned.yaml"
    path.write_text(dump_yaml(data))
    return path


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The complete file's data with `value` at `path`."""
    data = copy.deepcopy(PLAIN)
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return data


def refused(folder: Path, data: object) -> str:
    """Why the file of `data` is refused."""
    with pytest.raises(TunedError) as caught:
        read_tuned(written(folder, data))
    assert str(caught.value).startswith(str(folder / "tuned.yaml"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_tuned_file_is_read_back_equal(tmp_path: Path) -> None:
    """What was written with every key set, and with as few as possible, comes back as the same value."""
    for content in (COMPLETE, tuned()):
        write_tuned(tmp_path / "tuned.yaml", content, COMMENT)
        assert read_tuned(tmp_path / "tuned.yaml") == content


def test_a_file_of_the_first_release_is_read_and_written_with_nothing_lost(tmp_path: Path) -> None:
    """It holds none of the keys that came later, and gets none: the same values come out under the same keys."""
    content = read_tuned(FIRST_RELEASE)
    assert content.profiles[0].result.verdict == "win"
    write_tuned(tmp_path / "tuned.yaml", content, headline(content))
    assert yaml.safe_load((tmp_path / "tuned.yaml").read_text()) == yaml.safe_load(FIRST_RELEASE.read_text())
    assert len(headline(content).splitlines()) == 3


def test_other_readers_see_the_same(tmp_path: Path) -> None:
    """A plain YAML 1.1 reader gets the same data: no fingerprint becomes a number, no `no` a boolean."""
    path = tmp_path / "tuned.yaml"
    write_tuned(path, COMPLETE, COMMENT)
    assert yaml.safe_load(path.read_text()) == PLAIN


def test_the_file_opens_with_three_lines_in_words(tmp_path: Path) -> None:
    """The comment stands above everything, then the format's version."""
    path = tmp_path / "tuned.yaml"
    write_tuned(path, COMPLETE, COMMENT)
    lines = path.read_text().splitlines()
    assert lines[:3] == [f"# {line}" for line in COMMENT.splitlines()]
    assert lines[3] == "autotp: 1"


def test_the_format_is_the_one_promised() -> None:
    """Every key of version 1 stands where it has its place, and no other; those that came later may be missing."""
    profile = PLAIN["profiles"][0]
    found = {
        "top": PLAIN,
        "model": PLAIN["model"],
        "workload": PLAIN["workload"],
        "objective": PLAIN["objective"],
        "profile": profile,
        "machine": profile["machine"],
        "effective": profile["effective"],
        "proof": profile["proof"],
        "result": profile["result"],
        "gain": profile["result"]["gain"],
        "baseline": profile["result"]["baseline"],
        "outputs": profile["result"]["outputs"],
        "study": PLAIN["study"],
    }
    assert {name: " ".join(part) for name, part in found.items()} == {
        "top": "autotp model workload objective profiles study",
        "model": "path kind graph_sha256 weights_bytes shapes",
        "workload": "kind nireq inputs seed rate_per_s prompt_tokens new_tokens batch attention_backend "
        "data_dependent sample_count options",
        "objective": "metrics constraints",
        "profile": "machine config properties result affinity effective proof pareto",
        "machine": "fingerprint hard soft",
        "effective": "streams threads sub_streams split_nodes requests precision pinned",
        "proof": "state sub_streams threads threads_without",
        "result": "verdict gain baseline metrics noise_floor outputs reason others left_out",
        "gain": "median low high confidence",
        "baseline": "config metrics own",
        "outputs": "max_abs_error baseline_max_abs_error reference",
        "study": "name storage trials rounds seed started duration_s autotp openvino kept",
    }
    plain = msgspec.to_builtins(tuned())
    assert PLAIN["workload"].keys() - plain["workload"].keys() == {"data_dependent", "sample_count", "options"}
    assert PLAIN["study"].keys() - plain["study"].keys() == {"kept"}
    result, little = profile["result"], plain["profiles"][0]["result"]
    assert result.keys() - little.keys() == {"reason", "others", "left_out"}
    assert result["baseline"].keys() - little["baseline"].keys() == {"own"}


def test_properties_are_strings(tmp_path: Path) -> None:
    """Properties are what compile_model gets, as text: '1' stays text for every reader."""
    path = tmp_path / "tuned.yaml"
    write_tuned(path, COMPLETE, COMMENT)
    assert "NUM_STREAMS: '1'" in path.read_text()
    assert set(map(type, yaml.safe_load(path.read_text())["profiles"][0]["properties"].values())) == {str}
    assert "profiles[0].properties.NUM_STREAMS: 1 isn't text" in refused(
        tmp_path, changed(("profiles", 0, "properties", "NUM_STREAMS"), 1)
    )


@pytest.mark.parametrize(
    ("place", "allowed"),
    [
        ((), "autotp, model, workload, objective, profiles, study"),
        (("model",), "path, kind, graph_sha256, weights_bytes, shapes"),
        (
            ("workload",),
            "kind, nireq, inputs, seed, rate_per_s, prompt_tokens, new_tokens, batch, attention_backend, "
            "data_dependent, sample_count, options",
        ),
        (("objective",), "metrics, constraints"),
        (("profiles", 1), "machine, config, properties, result, affinity, effective, proof, pareto"),
        (("profiles", 0, "machine"), "fingerprint, hard, soft"),
        (
            ("profiles", 0, "effective"),
            "streams, threads, sub_streams, split_nodes, requests, precision, pinned",
        ),
        (
            ("profiles", 0, "proof"),
            "state, sub_streams, threads, threads_without, busy_threads, busy_cpus, caller_sleeps",
        ),
        (
            ("profiles", 0, "result"),
            "verdict, gain, baseline, metrics, noise_floor, outputs, reason, others, left_out, "
            "unmeasured, effects, importance, ceiling",
        ),
        (("profiles", 0, "result", "others", "latency_p50"), "median, low, high, confidence"),
        (("profiles", 0, "result", "gain"), "median, low, high, confidence"),
        (("profiles", 0, "result", "baseline"), "config, metrics, own"),
        (
            ("profiles", 0, "result", "outputs"),
            "max_abs_error, baseline_max_abs_error, reference, checked, unchecked",
        ),
        (
            ("profiles", 0, "pareto", 0),
            "config, metrics, costs, gains, proven, knee, workload, affinity, effective, proof, outputs",
        ),
        (("study",), "name, storage, trials, rounds, seed, started, duration_s, autotp, openvino, kept"),
    ],
)
def test_an_unknown_key_is_named_with_those_allowed(
    tmp_path: Path, place: tuple[str | int, ...], allowed: str
) -> None:
    """An unknown key anywhere is an error that names file, key, place and the keys allowed there."""
    text = refused(tmp_path, changed((*place, "nodes"), 1))
    assert "unknown key 'nodes'" in text
    assert text.endswith(f"allowed: {allowed}.")


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("profiles",), [], "holds no profile; tune again"),
        (("profiles",), None, "profiles: null isn't a list"),
        (("profiles", 0, "config"), {"nstreams": 1}, "There is no knob 'nstreams'"),
        (("profiles", 0, "config"), {"num_streams": "1"}, "num_streams: '1' isn't a valid value"),
        (("profiles", 0, "result", "baseline", "config"), {"nireq": 0}, "nireq: 0 isn't a valid value"),
        (("profiles", 0, "pareto", 0, "config"), {"nireq": 0}, "nireq: 0 isn't a valid value"),
        (("profiles", 0, "affinity"), ["0-"], "'0-' is not an id or a range of ids"),
        (("profiles", 0, "affinity"), ["3-1"], "'3-1' runs backwards"),
        (("profiles", 0, "affinity"), [""], "affinity: an empty mask"),
        (("profiles", 0, "affinity"), [], "affinity: an empty mask"),
        (("profiles", 0, "affinity"), "0-3", "profiles[0].affinity: '0-3' isn't a list or null"),
        (
            ("profiles", 0, "result", "verdict"),
            "lose",
            "result.verdict: 'lose' isn't one of win, tie, unknown",
        ),
        (("workload", "nireq"), 0, "workload.nireq: 0 isn't a whole number of at least 1 or null"),
        (("model", "kind"), "caffe", "model.kind: 'caffe' isn't one of ir, onnx"),
        (("model", "shapes"), {"x": ["1"]}, "model.shapes.x[0]: '1' isn't a whole number"),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, place: tuple[str | int, ...], value: object, reason: str) -> None:
    """A value that can't be meant is an error that names the file and the reason."""
    assert reason in refused(tmp_path, changed(place, value))


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    """A file without profiles, or any other required key, says which one is missing."""
    for key in ("model", "workload", "objective", "profiles", "study"):
        data = {name: part for name, part in PLAIN.items() if name != key}
        assert f"key '{key}' is missing" in refused(tmp_path, data)


def test_a_newer_file_says_upgrade(tmp_path: Path) -> None:
    """A file of a later format says so and says upgrade, whatever else is unknown in it."""
    for data in (changed(("autotp",), VERSION + 1), {"autotp": 9, "novelty": True}):
        text = refused(tmp_path, data)
        assert "was written by a newer autotp" in text
        assert text.endswith("upgrade autotp.")


@pytest.mark.parametrize(
    "data", [None, [], "text", {}, {"autotp": None}, {"autotp": "1"}, {"autotp": True}, {"autotp": 0}]
)
def test_another_file_is_not_one(tmp_path: Path, data: object) -> None:
    """YAML that isn't a tuned.yaml, such as a space, is refused as such."""
    assert "is not a tuned.yaml: it has no key `autotp`" in refused(tmp_path, data)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that isn't there, or isn't YAML, is one sentence."""
    with pytest.raises(TunedError, match=r"Can't read .*absent\.yaml: No such file"):
        read_tuned(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("autotp: 1\nmodel: [")
    with pytest.raises(TunedError, match=r"broken\.yaml isn't valid YAML .* line [0-9]"):
        read_tuned(tmp_path / "broken.yaml")


def _places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*above, key)
        yield from _places(inner, (*above, key))


ANYTHING: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3) | st.just([]) | st.just({})
)


@settings(deadline=None)
@given(st.sampled_from(list(_places(PLAIN))), ANYTHING)
def test_damage_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str | int, ...], value: object
) -> None:
    """Whatever stands in whichever place, the file is read or refused by a TunedError that names it."""
    data = copy.deepcopy(PLAIN)
    inner: Any = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    path = written(tmp_path_factory.getbasetemp(), data)
    try:
        found = read_tuned(path)
    except TunedError as error:
        assert "tuned.yaml" in str(error)
    else:
        assert found.profiles


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """A file that can't be written whole isn't written at all."""
    path = tmp_path / "tuned.yaml"
    write_tuned(path, COMPLETE, COMMENT)
    with pytest.raises(UnicodeEncodeError):
        write_tuned(path, tuned(), "\ud800")
    assert read_tuned(path) == COMPLETE
    assert [file.name for file in tmp_path.iterdir()] == ["tuned.yaml"]
    with pytest.raises(InputError, match="Can't write"):
        write_tuned(tmp_path / "absent" / "tuned.yaml", COMPLETE, COMMENT)


def test_no_password_is_written(tmp_path: Path) -> None:
    """A storage's user and password are never in the file."""
    storage = public_url("postgresql+psycopg://someone:s3cret@db.example/studies?password=s3cret")
    study = msgspec.structs.replace(COMPLETE.study, storage=storage)
    path = tmp_path / "tuned.yaml"
    write_tuned(path, msgspec.structs.replace(COMPLETE, study=study), COMMENT)
    assert "s3cret" not in path.read_text()
    assert "someone" not in path.read_text()
    assert read_tuned(path).study.storage == "postgresql+psycopg://db.example/studies"
