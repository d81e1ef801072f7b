"""From a plan to a compiled model: properties, requests, the mask, and what is observed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotp.errors import EnvironmentFailure, ModelError
from autotp.runtime.compile import Plan, compile_plan, reported_properties, set_process_mask
from autotp.runtime.models.model_files import locate
from autotp.runtime.models.read import Shape
from autotp.runtime.models.reason import reason
from autotp.space.aliases.effective import Effective
from autotp.space.knobs.config import Config
from autotp.space.knobs.table import KNOBS
from autotp.space.limits.precision import INEXACT, default_precision, own_precisions
from autotp.topology.probe import probe
from tests.support import rig
from tests.support.models import WIDTH, dynamic_model, matmul_model
from tests.support.trees import Described

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
ROOT = Path(__file__).resolve().parents[2]


def plan(
    path: Path, properties: dict[str, str] | None = None, *, nireq: int | None = None, **shapes: Shape
) -> Plan:
    """A plan in f32 with these properties besides."""
    return Plan(files=locate(path), shapes=shapes, properties={**F32, **(properties or {})}, nireq=nireq)


def test_properties_are_honoured_and_observed(tmp_path: Path) -> None:
    """Streams, threads, pinning and precision are as asked for, in what is observed and in what is reported."""
    asked = {"NUM_STREAMS": "2", "INFERENCE_NUM_THREADS": "2", "ENABLE_CPU_PINNING": "NO"}
    compiled = compile_plan(plan(matmul_model(tmp_path), asked))
    as_asked = Effective(streams=2, threads=2, split_nodes=0, requests=2, precision="f32", pinned=False)
    assert compiled.effective == as_asked
    reported = reported_properties(compiled.compiled_model)
    assert {name: reported[name] for name in asked} == asked
    assert compiled.compile_s > 0


@pytest.mark.parametrize(
    "setting",
    [
        *({"tbb_partitioner": choice} for choice in KNOBS["tbb_partitioner"].choices),
        *({f"{part}_cache_precision": "f32"} for part in ("key", "value")),
        *({"execution_mode_hint": choice} for choice in KNOBS["execution_mode_hint"].choices),
    ],
)
def test_knobs_of_one_property_reach_openvino(setting: dict[str, str], tmp_path: Path) -> None:
    """What a config passes is what OpenVINO reports of the compiled model."""
    passed = Config.of(setting).properties()
    reported = reported_properties(compile_plan(plan(matmul_model(tmp_path), passed)).compiled_model)
    assert {name: reported[name] for name in passed} == passed


def test_the_mode_accuracy_is_the_most_exact_of_everything(tmp_path: Path) -> None:
    """What autotp takes it for is what OpenVINO does, also where a precision is asked for besides."""
    path = matmul_model(tmp_path)
    mode = Config.of({"execution_mode_hint": "accuracy"})
    compiled = compile_plan(Plan(files=locate(path), shapes={}, properties=mode.properties()))
    assert compiled.effective.precision == "f32"
    reported = reported_properties(compiled.compiled_model)
    own = Config.of(own_precisions(mode, probe().machine)).without("inference_precision_hint", *INEXACT)
    assert {name: reported[name] for name in own.properties()} == own.properties()
    asked = {**mode.properties(), "INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "u8"}
    both = reported_properties(compile_plan(Plan(files=locate(path), shapes={}, properties=asked)).compiled_model)
    assert (both["INFERENCE_PRECISION_HINT"], both["KV_CACHE_PRECISION"]) == ("f32", "u8")


def test_openvinos_own_precision_is_the_one_that_is_expected_here(tmp_path: Path) -> None:
    """Asked on this CPU, whatever it can: bf16 or f16 where it computes in those, else f32."""
    bare = Plan(files=locate(matmul_model(tmp_path)), shapes={}, properties={})
    compiled = compile_plan(bare)
    assert compiled.effective.precision == default_precision(probe().machine)
    chosen = reported_properties(compiled.compiled_model)["INFERENCE_PRECISION_HINT"]
    assert compiled.effective.precision == chosen


def test_every_property_is_reported_in_openvinos_spelling(tmp_path: Path) -> None:
    """Types, hints and truth values are OpenVINO's words, not Python's."""
    compiled = compile_plan(plan(matmul_model(tmp_path), {"PERFORMANCE_HINT": "THROUGHPUT"}))
    reported = reported_properties(compiled.compiled_model)
    supported = set(compiled.compiled_model.get_property("SUPPORTED_PROPERTIES"))
    assert set(reported) == supported - {"SUPPORTED_PROPERTIES"}
    assert reported["PERFORMANCE_HINT"] == "THROUGHPUT"
    assert reported["INFERENCE_PRECISION_HINT"] == "f32"
    assert reported["ENABLE_CPU_PINNING"] in ("YES", "NO")
    assert reported["EXECUTION_DEVICES"] == "CPU"
    assert not [text for text in reported.values() if text in ("True", "False") or text.startswith("<")]


@pytest.mark.parametrize(
    ("properties", "nireq", "expected"),
    [({"NUM_STREAMS": "1"}, None, 1), ({"NUM_STREAMS": "2"}, None, 2), ({"NUM_STREAMS": "2"}, 5, 5)],
)
def test_requests_default_to_openvinos_optimum(
    tmp_path: Path, properties: dict[str, str], nireq: int | None, expected: int
) -> None:
    """Without a number of requests it's the one that OpenVINO reports as optimal."""
    compiled = compile_plan(plan(matmul_model(tmp_path), properties, nireq=nireq))
    assert compiled.nireq == compiled.effective.requests == expected


def test_shapes_are_compiled_in(tmp_path: Path) -> None:
    """A dynamic model is compiled with the static shape of the plan."""
    compiled = compile_plan(plan(dynamic_model(tmp_path), x=(3, WIDTH)))
    assert tuple(compiled.compiled_model.input("x").shape) == (3, WIDTH)
    assert compiled.info.outputs[0].shape == (3, WIDTH)


@pytest.mark.parametrize(
    "properties",
    [
        {"FOO": "1"},
        {"NUM_STREAMS": "many"},
        {"MODEL_DISTRIBUTION_POLICY": "PIPELINE_PARALLEL"},
        {"INFERENCE_PRECISION_HINT": "u3"},
    ],
)
def test_a_property_that_openvino_refuses_is_one_sentence(tmp_path: Path, properties: dict[str, str]) -> None:
    """An unknown property or a bad value names the model; OpenVINO's own reason stands behind it."""
    with pytest.raises(ModelError) as caught:
        compile_plan(plan(matmul_model(tmp_path), properties))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert str(caught.value) == f"OpenVINO can't compile model.xml: {reason(caught.value.__cause__)}."
    assert "\n" not in str(caught.value)


def test_a_mask_that_cannot_be_is_refused() -> None:
    """CPUs that don't exist leave the process where it was and are an error of the environment."""
    before = os.sched_getaffinity(0)
    with pytest.raises(EnvironmentFailure, match=r"Can't bind the process to CPUs \(100000,\)"):
        set_process_mask((100000,))
    assert os.sched_getaffinity(0) == before


def test_a_thread_that_has_ended_since_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread listed and gone before its turn, as in a server's pool, doesn't fail the rest."""
    bound: list[tuple[int, tuple[int, ...]]] = []

    def bind(task: int, mask: tuple[int, ...]) -> None:
        if task:
            raise ProcessLookupError(3, "No such process")
        bound.append((task, mask))

    monkeypatch.setattr(os, "sched_setaffinity", bind)
    set_process_mask((0, 1))
    assert bound == [(0, (0, 1))]


MASKED = """
import json, os, sys, threading
from pathlib import Path
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.models.model_files import locate

wait = threading.Event()
threading.Thread(target=wait.wait, daemon=True).start()
mask = tuple(json.loads(sys.argv[2]))
compiled = compile_plan(Plan(files=locate(Path(sys.argv[1])), shapes={}, properties={}, mask=mask))
masks = [sorted(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")]
print(json.dumps([compiled.effective.threads, masks]))
"""


def masked(path: Path, mask: list[int]) -> tuple[int, list[list[int]]]:
    """The threads that OpenVINO takes under `mask`, and the masks of all threads of that process."""
    argv = (sys.executable, "-c", MASKED, str(path), json.dumps(mask))
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, cwd=ROOT)
    threads, masks = json.loads(done.stdout)
    return threads, masks


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs to leave one out")
def test_the_mask_holds_for_every_thread_and_for_openvino(tmp_path: Path) -> None:
    """Bound to one CPU of several, OpenVINO takes one thread and no thread of the process may leave the CPU."""
    cpu = max(os.sched_getaffinity(0))
    threads, masks = masked(matmul_model(tmp_path), [cpu])
    assert threads == 1
    assert masks == [[cpu]] * len(masks)
    assert len(masks) >= 2


SPLIT = """
import json, sys
from pathlib import Path
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.models.model_files import locate

properties = {"NUM_STREAMS": "1", "MODEL_DISTRIBUTION_POLICY": "TENSOR_PARALLEL"}
mask = tuple(json.loads(sys.argv[2]))
plan = Plan(files=locate(Path(sys.argv[1])), shapes={}, properties=properties, mask=mask)
print(compile_plan(plan).effective.threads)
"""


@rig.requires_rig(shim=True)
@pytest.mark.parametrize(("cpus", "threads"), [(4, 4), (12, 12)])
def test_the_mask_sets_the_native_split(tmp_path: Path, cpus: int, threads: int) -> None:
    """On four pretended sockets of four cores the plan's mask decides over how many the policy splits."""
    model = matmul_model(tmp_path)
    argv = (sys.executable, "-c", SPLIT, str(model), json.dumps(list(range(cpus))))
    done = rig.run(Described(sockets=4, cores_per_node=4), argv, shim=True, tmp=tmp_path, timeout_s=60, cwd=ROOT)
    assert done.stdout.split() == [str(threads)], done.stderr
