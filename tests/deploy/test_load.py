"""`autotp.load` runs exactly what was measured, or says what it did instead; with the real OpenVINO."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import autotp
from autotp.deploy.load import Loaded, load
from autotp.deploy.tuned import Profile, TunedMachine, TunedWorkload, read_tuned, write_tuned
from autotp.errors import InputError, ModelError, TunedError
from autotp.findings.loop import Loop
from autotp.runtime.compile import reported_properties
from autotp.runtime.graph.split_fc import count_split
from autotp.runtime.models.language import Attention
from autotp.space.aliases.effective import Effective
from autotp.topology.probe import probe
from tests.support import other_formats, rig
from tests.support.hub_cache import cached
from tests.support.language_models import HIDDEN, language_model, speech_decoder
from tests.support.loaded_modules import modules_of
from tests.support.models import WIDTH, counting_model, dynamic_model, expected, matmul_model
from tests.support.named_machines import topology
from tests.support.onnx_bytes import WIDTH as SIDE
from tests.support.trees import Described
from tests.support.tuned_files import ALLOWED, ROW, SETTINGS, STREAMS, content, here, ship


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small real model."""
    return matmul_model(tmp_path)


def test_properties_are_exactly_those_written(model: Path) -> None:
    """OpenVINO reports every written property with the written value, and the requests are the tuned ones."""
    path = ship(model)
    loaded = load(path)
    assert loaded.decision.applied, loaded.decision
    assert loaded.decision.differences == ()
    written = here().properties
    assert len(written) == len(SETTINGS)
    reported = reported_properties(loaded.compiled_model)
    assert {name: reported[name] for name in written} == written
    assert loaded.nireq == 3


def test_infer_answers_by_name(model: Path) -> None:
    """Inputs go in and outputs come out by name, again and again, each answer its own."""
    loaded = load(str(ship(model)))
    answers = [loaded.infer({"x": ROW * factor}) for factor in (1, -2)]
    for answer, factor in zip(answers, (1, -2), strict=True):
        assert list(answer) == ["y"]
        np.testing.assert_allclose(answer["y"], expected(ROW * factor), atol=1e-5)


@pytest.mark.parametrize("name", other_formats.NAMES)
def test_a_model_of_any_format_is_loaded(name: str, tmp_path: Path) -> None:
    """The config is applied, new weights of the same size are the same model, another graph is another one."""
    path = ship(other_formats.write_all(tmp_path)[name])
    row = np.linspace(-1, 1, SIDE, dtype=np.float32)[None]
    for seed in (0, 1):
        other_formats.write_all(tmp_path, other_formats.weights(seed))
        with load(path) as loaded:
            assert loaded.decision.applied
            (answer,) = loaded.infer(dict.fromkeys(_inputs(loaded), row)).values()
        np.testing.assert_allclose(answer, other_formats.expected(row, seed), atol=1e-5)
    other_formats.write_all(tmp_path, activation=other_formats.TANH)
    with load(path) as loaded:
        assert not loaded.decision.applied
        assert "is not the model that was tuned" in loaded.decision.reason
        (answer,) = loaded.infer(dict.fromkeys(_inputs(loaded), row)).values()
    assert answer.min() < 0  # of tanh, not of relu


def test_a_decoder_fed_by_an_encoder_is_loaded_with_its_state(tmp_path: Path) -> None:
    """With its shapes it is a model with state: it goes on from one inference to the next, until the reset."""
    shapes = {"input_ids": (1, 2), "encoder_hidden_states": (1, 5, HIDDEN), "beam_idx": (1,)}
    inputs = {
        "input_ids": np.array([[3, 5]]),
        "encoder_hidden_states": np.ones((1, 5, HIDDEN), np.float32),
        "beam_idx": np.zeros(1, np.int32),
    }
    path = ship(speech_decoder(tmp_path) / "openvino_model.xml", shapes=shapes)
    with load(path) as loaded:
        assert loaded.decision.applied
        first, second = (loaded.infer(inputs)["logits"] for _ in range(2))
        loaded.reset()
        again = loaded.infer(inputs)["logits"]
    assert first.shape[1] == 2  # a decoder's logits are those of all positions
    assert np.abs(second - first).max() > 0.1
    np.testing.assert_array_equal(again, first)


def test_paged_attention_is_for_genai(tmp_path: Path) -> None:
    """What was measured with pages isn't loaded with state: the sentence says what deploys it."""
    model = language_model(tmp_path) / "openvino_model.xml"
    workload = TunedWorkload(kind=Loop.GENERATE, nireq=1, attention_backend=Attention.PA)
    path = model.parent / "tuned.yaml"
    write_tuned(path, msgspec.structs.replace(content(model), workload=workload), "A test.")
    with pytest.raises(
        TunedError, match=r"can't deploy .*: .*paged attention.*LLMPipeline and ATTENTION_BACKEND=PA"
    ):
        load(path)


def test_what_a_language_model_has_read_is_forgotten_on_request(tmp_path: Path) -> None:
    """Inferences go on from one another until then; logits are those of the last position."""
    model = language_model(tmp_path) / "openvino_model.xml"
    inputs = {
        "input_ids": np.array([[3, 5, 8]]),
        "attention_mask": np.ones((1, 3), np.int64),
        "position_ids": np.arange(3)[np.newaxis],
        "beam_idx": np.zeros(1, np.int32),
    }
    with load(ship(model)) as loaded:
        first, second = (loaded.infer(inputs)["logits"] for _ in range(2))
        loaded.reset()
        again = loaded.infer(inputs)["logits"]
    assert first.shape[1] == 1
    assert np.abs(second - first).max() > 0.1
    np.testing.assert_array_equal(again, first)


def test_infer_queue_keeps_the_tuned_requests_in_flight(model: Path) -> None:
    """The queue has `nireq` requests and calls back with each request and what was given with it."""
    loaded = load(ship(model, nireq=4))
    seen: dict[int, Any] = {}
    queue = loaded.infer_queue(
        lambda request, number: seen.update({number: request.get_output_tensor().data.copy()})
    )
    assert len(queue) == loaded.nireq == 4
    for number in range(20):
        queue.start_async({"x": ROW * number}, number)
    queue.wait_all()
    assert sorted(seen) == list(range(20))
    for number, answer in seen.items():
        np.testing.assert_allclose(answer, expected(ROW * number), atol=1e-4)


def test_a_queue_needs_no_callback(model: Path) -> None:
    """Without a callback the requests hold their results."""
    queue = load(ship(model)).infer_queue()
    queue.start_async({"x": ROW})
    queue.wait_all()
    np.testing.assert_allclose(queue[0].get_output_tensor().data, expected(ROW), atol=1e-5)


def test_it_is_a_context_manager(model: Path) -> None:
    """`with autotp.load(...)` gives the loaded model, and an error inside passes through."""
    with autotp.load(ship(model)) as loaded:
        assert isinstance(loaded, autotp.Loaded)
        np.testing.assert_allclose(loaded.infer({"x": ROW})["y"], expected(ROW), atol=1e-5)
    with pytest.raises(ZeroDivisionError), autotp.load(ship(model)):
        raise ZeroDivisionError


def test_the_model_is_found_next_to_the_file_or_at_the_given_path(model: Path, tmp_path: Path) -> None:
    """The path is relative to the file, not to the current folder; `model` overrides it."""
    path = ship(model)
    away = tmp_path / "away"
    away.mkdir()
    for part in (model, model.with_suffix(".bin")):
        part.rename(away / part.name)
    with pytest.raises(ModelError, match=r"model\.xml doesn't exist"):
        load(path)
    loaded = load(path, model=away / "model.xml")
    assert loaded.decision.applied
    assert load(path, model=str(away / "model.xml")).decision.applied


def test_a_dynamic_model_gets_the_tuned_shape(tmp_path: Path) -> None:
    """The shapes in the file are applied before the compile."""
    loaded = load(ship(dynamic_model(tmp_path), shapes={"x": (5, WIDTH)}))
    assert loaded.decision.applied
    assert loaded.infer({"x": np.repeat(ROW, 5, axis=0)})["y"].shape == (5, WIDTH)


def other_model(folder: Path, kind: str) -> Path:
    """A model that isn't the tuned one, in a folder of its own: static, with another input, or dynamic."""
    folder = folder / "other"
    folder.mkdir()
    if kind == "static":
        return matmul_model(folder, width=2 * WIDTH)
    if kind == "dynamic":
        return dynamic_model(folder, width=2 * WIDTH)
    return counting_model(folder) if kind == "state" else language_model(folder) / "openvino_model.xml"


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("static", {"x": f"[1,{2 * WIDTH}]"}),
        ("dynamic", {"x": f"[?,{2 * WIDTH}]"}),
        ("state", {"x": "[1,4]"}),
        ("language", {"input_ids": "[?,?]"}),
    ],
)
def test_another_model_gets_the_hint_as_it_is(tmp_path: Path, kind: str, inputs: dict[str, str]) -> None:
    """The tuned shape isn't set in another model, whatever its inputs are; the reason says both."""
    path = ship(dynamic_model(tmp_path), shapes={"x": (5, WIDTH)})
    loaded = load(path, model=other_model(tmp_path, kind))
    assert not loaded.decision.applied
    assert loaded.decision.reason.endswith("not the model that was tuned, so it keeps its own input shapes")
    assert "graph_sha256" in {difference.fact for difference in loaded.decision.differences}
    found = {port.any_name: str(port.partial_shape) for port in loaded.compiled_model.inputs}
    assert {name: found[name] for name in inputs} == inputs
    assert reported_properties(loaded.compiled_model)["PERFORMANCE_HINT"] == "LATENCY"


def test_a_model_with_other_inputs_gets_the_hint(tmp_path: Path) -> None:
    """A tuned shape for an input that the model doesn't have is no error."""
    path = ship(dynamic_model(tmp_path), shapes={"x": (5, WIDTH)})
    content_of = read_tuned(path)
    renamed = msgspec.structs.replace(content_of.model, shapes={"pixels": (5, WIDTH)}, weights_bytes=1)
    write_tuned(path, msgspec.structs.replace(content_of, model=renamed), "A test.")
    loaded = load(path)
    assert not loaded.decision.applied
    assert loaded.infer({"x": np.repeat(ROW, 3, axis=0)})["y"].shape == (3, WIDTH)


def test_a_dynamic_model_is_no_error_where_a_static_one_was_tuned(model: Path, tmp_path: Path) -> None:
    """It takes inputs of any size with the hint."""
    loaded = load(ship(model), model=dynamic_model(tmp_path, width=2 * WIDTH))
    assert not loaded.decision.applied
    assert loaded.infer({"x": np.ones((3, 2 * WIDTH), np.float32)})["y"].shape == (3, 2 * WIDTH)


def test_a_language_model_answers_for_every_position_where_none_was_tuned(tmp_path: Path) -> None:
    """As it is means all of its logits; only where a language model was tuned, the last ones are expected."""
    inputs = {
        "input_ids": np.array([[3, 5, 8]]),
        "attention_mask": np.ones((1, 3), np.int64),
        "position_ids": np.arange(3)[np.newaxis],
        "beam_idx": np.zeros(1, np.int32),
    }
    other = other_model(tmp_path, "language")
    assert load(ship(matmul_model(tmp_path)), model=other).infer(inputs)["logits"].shape[1] == 3
    path = ship(other)
    other.write_text(other.read_text() + "\n")
    loaded = load(path)
    assert not loaded.decision.applied
    assert loaded.infer(inputs)["logits"].shape[1] == 1


def test_the_tuned_model_keeps_the_tuned_shape_on_another_machine(tmp_path: Path) -> None:
    """The hint runs the same model in the shape that was tuned."""
    other = topology("4x4").fingerprint
    machine = TunedMachine(fingerprint=other.id, hard=dict(other.hard), soft=dict(other.soft))
    loaded = load(ship(dynamic_model(tmp_path), here(machine=machine), shapes={"x": (5, WIDTH)}))
    assert not loaded.decision.applied
    assert loaded.infer({"x": np.repeat(ROW, 5, axis=0)})["y"].shape == (5, WIDTH)


def test_a_model_in_a_hub_s_cache_is_loaded(tmp_path: Path) -> None:
    """Its graph and weights are links to files without a suffix."""
    folder = cached(matmul_model(tmp_path), tmp_path / "hub")
    loaded = load(ship(folder / "openvino_model.xml"))
    assert loaded.decision.applied
    np.testing.assert_allclose(loaded.infer({"x": ROW})["y"], expected(ROW), atol=1e-5)


def test_what_a_link_points_to_now_is_loaded(tmp_path: Path) -> None:
    """After `current` was pointed to other weights of the same graph, those answer."""
    for version, seed in (("v1", 0), ("v2", 1)):
        (tmp_path / version).mkdir()
        matmul_model(tmp_path / version, seed=seed)
    (tmp_path / "v2/model.xml").write_bytes((tmp_path / "v1/model.xml").read_bytes())
    link = tmp_path / "current"
    link.symlink_to("v1")
    path = tmp_path / "tuned.yaml"
    tuned = content(link / "model.xml")
    write_tuned(
        path,
        msgspec.structs.replace(tuned, model=msgspec.structs.replace(tuned.model, path="current/model.xml")),
        "A test.",
    )
    for version, seed in (("v1", 0), ("v2", 1)):
        link.unlink()
        link.symlink_to(version)
        loaded = load(path)
        assert loaded.decision.applied
        np.testing.assert_allclose(loaded.infer({"x": ROW})["y"], expected(ROW, seed=seed), atol=1e-5)


def test_another_machine_gets_the_hint(model: Path) -> None:
    """Tuned for other hard facts: OpenVINO's hint is compiled with its own requests, and the decision says why."""
    other = topology("4x4").fingerprint
    machine = TunedMachine(fingerprint=other.id, hard=dict(other.hard), soft=dict(other.soft))
    loaded = load(ship(model, here(machine=machine, affinity=("8-11",)), nireq=7))
    assert not loaded.decision.applied
    assert "not one that was tuned for" in loaded.decision.reason
    assert {"sockets", "isa"} & {difference.fact for difference in loaded.decision.differences}
    assert reported_properties(loaded.compiled_model)["PERFORMANCE_HINT"] == "LATENCY"
    assert loaded.nireq == loaded.compiled_model.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    np.testing.assert_allclose(loaded.infer({"x": ROW})["y"], expected(ROW), atol=0.05)
    assert sorted(os.sched_getaffinity(0)) == ALLOWED


def test_other_software_is_listed_and_the_config_applied(model: Path) -> None:
    """A soft fact that differs is in the decision; the tuned config runs."""
    known = probe().fingerprint
    machine = TunedMachine(
        fingerprint=known.id, hard=dict(known.hard), soft={**known.soft, "openvino": "2025.0.0"}
    )
    decision = load(ship(model, here(machine=machine))).decision
    assert decision.applied
    assert [(d.fact, d.tuned) for d in decision.differences] == [("openvino", "2025.0.0")]


def test_a_changed_model_gets_the_hint(model: Path) -> None:
    """A model that isn't the one tuned runs with the hint, and the decision says so."""
    path = ship(model)
    matmul_model(model.parent, width=2 * WIDTH)
    loaded = load(path)
    assert not loaded.decision.applied
    assert "not the model that was tuned" in loaded.decision.reason
    assert loaded.infer({"x": np.ones((1, 2 * WIDTH), np.float32)})["y"].shape == (1, 2 * WIDTH)


def test_what_openvino_made_of_it_is_compared(model: Path) -> None:
    """If OpenVINO makes something else of the config than when tuned, that isn't what was measured."""
    as_tuned = Effective(streams=STREAMS, threads=STREAMS, requests=3, precision="f32", pinned=False)
    assert load(ship(model, here(effective=as_tuned))).decision.applied
    other = msgspec.structs.replace(as_tuned, threads=STREAMS + 5)
    decision = load(ship(model, here(effective=other))).decision
    assert not decision.applied
    assert [(d.fact, d.tuned, d.here) for d in decision.differences] == [("threads", STREAMS + 5, STREAMS)]


def test_a_split_in_the_graph_is_made_again(model: Path) -> None:
    """The deployed model is split as the measured one was; where it can't be counted, the hint is applied."""
    split = {**SETTINGS, "split_count": 2, "split_min_weights": 0}
    loaded = load(ship(model, here(split, effective=Effective(split_nodes=1))))
    assert (loaded.decision.applied, count_split(loaded.compiled_model)) == (True, 1)
    np.testing.assert_allclose(loaded.infer({"x": ROW})["y"], expected(ROW), atol=1e-5)
    loaded = load(ship(model, here(SETTINGS, effective=Effective(split_nodes=1))))
    assert "split_nodes: tuned 1, here 0" in [str(difference) for difference in loaded.decision.differences]


def test_bad_files_are_errors(model: Path, tmp_path: Path) -> None:
    """A missing file and a property that OpenVINO refuses are errors of a kind."""
    with pytest.raises(TunedError, match="absent"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(ModelError, match=r"can't compile model\.xml"):
        load(ship(model, here(properties={"NUM_STREAMS": "many"})))


@pytest.mark.skipif(len(ALLOWED) < 2, reason="it takes two CPUs")
def test_each_of_several_processes_says_which_it_is(model: Path) -> None:
    """A config for instances side by side isn't applied before it's known which one this is; each has its CPUs."""
    masks = tuple(str(cpu) for cpu in ALLOWED[:2])
    path = ship(model, here({"instances": 2}, affinity=masks))
    with pytest.raises(InputError, match=r"for 2 processes side by side: say with `instance`, from 0 to 1"):
        load(path)
    with pytest.raises(InputError, match="There is no instance 2"):
        load(path, instance=2)
    code = (
        "import os, sys, autotp\n"
        "loaded = autotp.load(sys.argv[1], instance=1)\n"
        "print(loaded.decision.applied, sorted(os.sched_getaffinity(0)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["True", f"[{masks[1]}]\n"]


def test_cpus_that_are_not_there_get_the_hint(model: Path) -> None:
    """A mask of CPUs that this process may not use isn't set: the hint runs on those that it may."""
    loaded = load(ship(model, here(affinity=("9999",))))
    assert not loaded.decision.applied
    assert "may not use CPU 9999" in loaded.decision.reason
    assert sorted(os.sched_getaffinity(0)) == ALLOWED
    assert loaded.infer({"x": ROW})["y"].shape == (1, WIDTH)


PROGRAM = """
import json, os, sys
before = sys.argv[2] == "core before"
if before:
    import openvino
    core = openvino.Core()
    core.compile_model(openvino.Core().read_model(sys.argv[3]), "CPU")
import autotp
loaded = autotp.load(sys.argv[1])
again = autotp.load(sys.argv[1])
print(json.dumps({
    "again": again.decision.applied,
    "hint": loaded.compiled_model.get_property("PERFORMANCE_HINT"),
    "applied": loaded.decision.applied,
    "differences": [[d.fact, d.tuned, d.here] for d in loaded.decision.differences],
    "threads": loaded.compiled_model.get_property("INFERENCE_NUM_THREADS"),
    "mask": sorted(os.sched_getaffinity(0)),
}))
"""


def in_a_fresh_process(path: Path, order: str = "load first") -> dict[str, Any]:
    """What `load` did in an interpreter of its own."""
    argv = (sys.executable, "-c", PROGRAM, str(path), order, str(path.with_name("model.xml")))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def on_one_cpu() -> Profile:
    """A profile that was measured on the last CPU alone."""
    effective = Effective(streams=1, threads=1, requests=1)
    return here({"num_streams": 1}, affinity=(str(ALLOWED[-1]),), effective=effective)


ROOMS_OF_THE_TUNER = ("cli", "report", "tuning", "measuring")
PACKAGES_OF_THE_TUNER = {"optuna", "scipy", "cpuinfo", "sqlalchemy", "plotly", "optuna_dashboard", "click", "rich"}
LOAD = """
import autotp, numpy
with autotp.load({path!r}) as model:
    assert model.decision.applied, model.decision
    model.infer({inputs})
"""


def tuner_in(modules: set[str]) -> set[str]:
    """Those of `modules` that belong to the tuner."""
    rooms = {f"autotp.{room}" for room in ROOMS_OF_THE_TUNER}
    ours = {name for name in modules if any(f"{name}.".startswith(f"{room}.") for room in rooms)}
    return ours | {name.split(".")[0] for name in modules} & PACKAGES_OF_THE_TUNER


def test_loading_and_running_a_model_leaves_the_tuner_out(tmp_path: Path) -> None:
    """A real model is loaded as tuned and runs, in an interpreter of its own, without a module of the tuner."""
    path = ship(matmul_model(tmp_path))
    inputs = f"{{'x': numpy.zeros((1, {WIDTH}), numpy.float32)}}"
    modules = modules_of(LOAD.format(path=str(path), inputs=inputs))
    assert {"autotp.deploy.load", "openvino"} <= modules
    assert tuner_in(modules) == set()


def test_loading_a_language_model_does_so_too(tmp_path: Path) -> None:
    """Neither is what measures tokens there."""
    path = ship(language_model(tmp_path) / "openvino_model.xml")
    ids = "numpy.array([[3, 5, 8]])"
    inputs = (
        f"dict(input_ids={ids}, attention_mask={ids} * 0 + 1, position_ids={ids}, beam_idx=numpy.zeros(1, 'i4'))"
    )
    modules = modules_of(LOAD.format(path=str(path), inputs=inputs))
    assert "openvino" in modules
    assert tuner_in(modules) == set()


def test_the_mask_is_set_before_the_first_core(model: Path) -> None:
    """With a mask of one CPU OpenVINO makes one thread, and the process runs there."""
    found = in_a_fresh_process(ship(model, on_one_cpu(), nireq=1))
    assert found["applied"]
    assert found["differences"] == []
    assert (found["threads"], found["mask"]) == (1, ALLOWED[-1:])


def test_a_second_load_in_one_process_is_applied_too(model: Path) -> None:
    """The mask that the first load set isn't mistaken for another machine by the second."""
    assert in_a_fresh_process(ship(model, on_one_cpu(), nireq=1))["again"]


@pytest.mark.skipif(len(ALLOWED) < 2, reason="needs two CPUs: a mask of one must be less than all")
def test_a_core_made_before_shows(model: Path) -> None:
    """Where a Core was made before, the mask came too late: the hint is applied, and the decision says so."""
    found = in_a_fresh_process(ship(model, on_one_cpu(), nireq=1), "core before")
    assert not found["applied"]
    assert [fact for fact, _, _ in found["differences"]] == ["threads"]
    assert found["differences"][0][1:] == [1, found["threads"]]
    assert found["threads"] > 1


SPLIT = """
import json, sys
from pathlib import Path
import autotp
from tests.support.tuned_files import ROW, here, ship
settings = {"distribution_policy": "tensor_parallel", "split_count": 2, "num_streams": 1}
path = ship(Path(sys.argv[1]), here({**settings, "inference_precision_hint": "f32"}, affinity=("0-7",)), nireq=1)
loaded = autotp.load(path)
threads = loaded.compiled_model.get_property("INFERENCE_NUM_THREADS")
print(json.dumps([loaded.decision.applied, threads, loaded.infer({"x": ROW})["y"].tolist()]))
"""


@rig.requires_rig(shim=True)
def test_a_split_runs_on_the_sockets_of_its_mask(model: Path, tmp_path: Path) -> None:
    """On a pretended 4x4 machine a degree of two is applied by its mask: eight threads, the same outputs."""
    argv = (sys.executable, "-c", SPLIT, str(model))
    machine = Described(sockets=4, cores_per_node=4)
    done = rig.run(machine, argv, shim=True, tmp=tmp_path, timeout_s=60, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    applied, threads, answer = json.loads(done.stdout.splitlines()[-1])
    assert (applied, threads) == (True, 8)
    np.testing.assert_allclose(answer, expected(ROW), atol=1e-5)


def _inputs(loaded: Loaded) -> list[str]:
    """The names of the model's inputs."""
    return [port.any_name for port in loaded.compiled_model.inputs]
