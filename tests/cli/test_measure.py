"""`autotp measure`."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support import other_formats
from tests.support.command_line import autotp
from tests.support.language_models import HIDDEN, embeddings_language_model, sentence_encoder, speech_decoder
from tests.support.models import WIDTH, data_weights_model, dynamic_model, matmul_model, past_model, sized_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small IR."""
    return str(matmul_model(tmp_path_factory.mktemp("model")))


def test_json_has_the_agreed_keys(
    model: str,
) -> None:
    """Figures with their units, and the properties as OpenVINO reports them."""
    code, out, err = autotp(
        "measure", model, "--budget", "0.3s", "--json", "--set", "num_streams=1", "--set", "nireq=3"
    )
    found = json.loads(out)
    assert (code, err) == (0, "")
    figures = ["throughput_per_s", "latency_p50_s", "latency_p90_s", "latency_p99_s", "memory_bytes", "compile_s"]
    assert all(found[key] > 0 for key in figures)
    assert found["latency_p50_s"] <= found["latency_p90_s"] <= found["latency_p99_s"]
    assert found["properties"]["NUM_STREAMS"] == "1"
    assert found["nireq"] == 3


def test_a_file_that_is_not_named_in_utf_8_is_measured(tmp_path: Path) -> None:
    """Model, weights and inputs lie in a folder whose name isn't UTF-8; what is printed is."""
    folder = tmp_path / "b\udce4d"
    folder.mkdir()
    model, data = matmul_model(folder, name="m\udce4"), folder / "real.npz"
    np.savez(data, x=np.zeros((1, WIDTH), np.float32))
    code, out, err = autotp("measure", str(model), "--budget", "0.1s", "--json", "--data", str(data))
    assert (code, err) == (0, "")
    assert json.loads(out)["workload"]["data"] == f"{tmp_path}/b\\udce4d/real.npz"


def test_an_input_that_is_not_named_in_utf_8_is_bad_input(model: str) -> None:
    """No model has such an input, and no message could hold it: exit code 2, in one sentence."""
    code, out, err = autotp("measure", model, "--shape", "b\udce4d=[1]")
    assert (code, out) == (2, "")
    assert err == "autotp: 'b\\udce4d' isn't UTF-8 text: give it another name.\n"


def test_json_names_the_file_of_the_inputs(model: str, tmp_path: Path) -> None:
    """As part of the workload."""
    np.savez(tmp_path / "real.npz", x=np.zeros((1, WIDTH), np.float32))
    code, out, err = autotp("measure", model, "--budget", "0.1s", "--json", "--data", str(tmp_path / "real.npz"))
    assert (code, err) == (0, "")
    assert json.loads(out)["workload"]["data"] == str(tmp_path / "real.npz")


def test_at_a_rate_latency_counts_from_the_arrival(model: str) -> None:
    """With --rate an open loop drives the model, and its arrivals are what is counted."""
    code, out, err = autotp("measure", model, "--budget", "1s", "--json", "--rate", "200", "--set", "nireq=2")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["workload"]["workload"], found["workload"]["rate_per_s"]) == ("open_loop", 200.0)
    mean_rate = found["inferences"] / found["measured_s"]
    assert found["throughput_per_s"] == pytest.approx(
        mean_rate, rel=0.2
    )  # the median over blocks, if there are several
    assert found["latency_p50_s"] > 0
    assert found["copy_s"] > 0


def test_text_shows_the_same(tmp_path: Path) -> None:
    """Without --json a table; a dynamic model is measured at the shape that was given."""
    model = str(dynamic_model(tmp_path))
    code, out, _ = autotp("measure", model, "--budget", "0.2s", "--shape", "x=[2,16]")
    assert code == 0
    words = ("throughput", "latency_p99", "memory", "copies", "precision")
    assert [word for word in words if word not in out] == []


@pytest.mark.parametrize("name", other_formats.NAMES)
def test_a_model_of_any_format_is_measured(name: str, tmp_path: Path) -> None:
    """What OpenVINO reads is a model, whatever its suffix."""
    path = other_formats.write_all(tmp_path)[name]
    code, out, err = autotp("measure", str(path), "--budget", "0.1s", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["workload"]["workload"] == "closed_loop"


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (speech_decoder, ("input_ids=[2,4]", f"encoder_hidden_states=[2,9,{HIDDEN}]", "beam_idx=[2]")),
        (
            embeddings_language_model,
            (f"inputs_embeds=[1,4,{HIDDEN}]", "attention_mask=[1,4]", "position_ids=[1,4]", "beam_idx=[1]"),
        ),
        (sentence_encoder, ("input_ids=[1,4]", "attention_mask=[1,4]", "position_ids=[1,4]", "beam_idx=[1]")),
    ],
)
def test_a_decoder_is_measured_with_shapes(
    make: Callable[[Path], Path], shapes: tuple[str, ...], tmp_path: Path
) -> None:
    """One that isn't fed with tokens alone is a model with state; without shapes the flags are named."""
    model = str(make(tmp_path / "model"))
    flags = [part for shape in shapes for part in ("--shape", shape)]
    code, out, err = autotp("measure", model, *flags, "--budget", "0.1s", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["workload"]["workload"] == "closed_loop"
    code, _, err = autotp("measure", model)
    assert code == 2
    assert all(f"--shape '{shape.split('=')[0]}=[" in err for shape in shapes)


def test_a_policy_that_does_nothing_is_told(model: str) -> None:
    """What is measured with it on one socket isn't a tensor-parallel figure."""
    setting = ("--set", "distribution_policy=tensor_parallel")
    code, out, _ = autotp("measure", model, *setting, "--budget", "0.2s")
    assert code == 0
    assert "tensor parallelism is INERT" in " ".join(out.split())


def test_an_input_that_is_a_size_is_bad_input_until_it_is_given(tmp_path: Path) -> None:
    """Made up, it doesn't fit: the phase, OpenVINO's reason and the flag are told; a file of real sizes runs."""
    path = str(sized_model(tmp_path))
    code, out, err = autotp("measure", path, "--budget", "0.1s")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "the inference failed: " in err
    assert "sized" in err
    assert "--data inputs.npz" in err
    assert "compile" not in err
    np.savez(tmp_path / "sizes.npz", x=np.zeros((3, 4), np.float32), size=np.array([2, 6]))
    assert autotp("measure", path, "--data", str(tmp_path / "sizes.npz"), "--budget", "0.1s")[0] == 0


def test_a_size_may_be_zero(tmp_path: Path) -> None:
    """An empty past, whether the command line asks for it or the model has it, with inputs made or given."""
    np.savez(
        tmp_path / "empty.npz", x=np.zeros((3, 1, WIDTH), np.float32), past=np.zeros((3, 0, WIDTH), np.float32)
    )
    dynamic, static = str(past_model(tmp_path, "dynamic")), str(past_model(tmp_path, "static", past=0))
    for arguments in (
        (dynamic, "--shape", f"past=[0,{WIDTH}]"),
        (static,),
        (static, "--data", str(tmp_path / "empty.npz")),
    ):
        assert autotp("measure", *arguments, "--budget", "0.1s")[0] == 0


def test_a_layer_whose_weights_are_found_in_the_data_is_not_split(tmp_path: Path) -> None:
    """The model is measured; `split` splits the other layer."""
    path, split = str(data_weights_model(tmp_path)), tmp_path / "split.xml"
    assert autotp("measure", path, "--budget", "0.1s")[0] == 0
    code, out, _ = autotp("split", path, "--count", "2", "--min-weights", "0", "-o", str(split))
    assert (code, out.startswith("1 fully connected layer(s)")) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "num_streams=0"),
        ("--set", "nstreams=1"),
        ("--set", "distribution_policy=pipeline_parallel"),
        ("--shape", "x=[1,3]"),
        ("--budget", "soon"),
        ("--rate", "0"),
        ("--rate", "nan"),
        ("--rate", "0.01"),
        ("--data", "gone.npz"),
        ("--set", "batch=8"),
    ],
)
def test_what_cannot_be_measured_is_bad_input(
    arguments: tuple[str, ...],
    model: str,
) -> None:
    """One sentence, exit code 2, no trace."""
    code, out, err = autotp("measure", model, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("autotp: ")
