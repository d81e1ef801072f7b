"""From a config to what an arm's workers do."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from autotp.errors import SpaceError
from autotp.findings.metric import METRICS
from autotp.measuring.jobs.job import Job
from autotp.measuring.outputs.reference import Outputs
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.open_loop import OpenLoop
from autotp.runtime.compile import Plan
from autotp.runtime.models.language import Attention
from autotp.runtime.models.model_files import ModelFiles, ModelKind
from autotp.runtime.models.read import Shape
from autotp.space.knobs.config import Config
from autotp.space.knobs.graph_split import GraphSplit
from autotp.topology.probe import Topology, narrow
from tests.support.named_machines import topology

PLAIN = ModelFiles(Path("plain.xml"), ModelKind.IR)
LANGUAGE = ModelFiles(Path("llm.xml"), ModelKind.LLM)
PAGED = Generation(prompt_tokens=64, attention_backend=Attention.PA)


def job(here: Topology | None = None, **fields: Any) -> Job:
    """A job of a plain model on two sockets of six cores each."""
    return Job(**{"files": PLAIN, "workload": ClosedLoop(), "topology": here or topology("2x6"), **fields})


def policy(degree: int) -> Config:
    """OpenVINO's tensor parallelism over so many sockets."""
    return Config.of({"distribution_policy": "tensor_parallel", "split_count": degree, "num_streams": 1})


def test_a_config_becomes_one_plan_for_each_process() -> None:
    """Each has the model, its shapes, the properties, the requests, the graph's split, and CPUs of its own."""
    shapes: dict[str, Shape] = {"x": (1, 3)}
    (plan,) = job(shapes=shapes).spec(Config.of({"num_streams": 2, "nireq": 4})).plans
    assert plan == Plan(files=PLAIN, shapes=shapes, properties={"NUM_STREAMS": "2"}, nireq=4)
    pair = job().spec(Config.of({"instances": 2})).plans
    assert [plan.mask for plan in pair] == [tuple(range(6)), tuple(range(6, 12))]
    (split,) = job().spec(Config.of({"split_count": 3, "split_min_weights": 5})).plans
    assert split.split == GraphSplit(3, 5)


def test_masks_are_explicit_where_they_matter() -> None:
    """The whole envelope needs no mask, unless the user narrowed it; a split over fewer sockets does."""
    assert (job().masks(Config()), job().masks(policy(1))) == (None, (tuple(range(6)),))
    with pytest.raises(SpaceError, match="needs more sockets than the 2"):
        job().masks(policy(3))
    some = job(narrow(topology("2x6"), (1, 2, 6)), narrowed=True)
    assert (some.masks(Config()), some.masks(policy(1))) == (((1, 2, 6),), ((1, 2),))


@pytest.mark.parametrize(
    ("fields", "asked", "unasked"),
    [
        ({}, 5, None),
        ({"objectives": ("throughput",)}, 5, None),
        ({"objectives": ("latency_p50",)}, 5, 1),
        ({"objectives": ("latency_p50",), "workload": OpenLoop(rate_per_s=50.0)}, 5, None),
        ({"objectives": ("tokens_per_s",), "workload": PAGED, "files": LANGUAGE}, 1, 1),
    ],
)
def test_requests_follow_workload_and_objective(fields: dict[str, Any], asked: int, unasked: int | None) -> None:
    """For throughput OpenVINO's optimum is left alone, for latency one request is kept in flight; `nireq` wins."""
    metrics = tuple(METRICS[name] for name in fields.get("objectives", ()))
    made = job(**{**fields, "objectives": metrics})
    assert (made.nireq(Config.of({"nireq": 5})), made.nireq(Config())) == (asked, unasked)
    assert made.spec(Config()).plans[0].nireq == unasked


def test_the_workload_is_as_the_config_has_it() -> None:
    """Of a language model the batch may be a knob; the attention is that of the deployment."""
    spec = job(files=LANGUAGE, workload=PAGED).spec(Config.of({"batch": 4}))
    assert spec.workload == msgspec.structs.replace(PAGED, batch=4)
    assert spec.outputs is None
    assert [plan.attention for plan in spec.plans] == [Attention.PA]


def test_plans_made_elsewhere_are_run_as_they_are() -> None:
    """A batch that the config sets counts."""
    plan = Plan(files=LANGUAGE, shapes={}, properties={"A": "B"}, mask=(3,), nireq=1)
    spec = job(files=LANGUAGE, workload=PAGED).spec_from_plans([plan], Config.of({"batch": 2}))
    assert spec.plans == (plan,)
    assert spec.workload == msgspec.structs.replace(PAGED, batch=2)
    assert spec.outputs is None


def test_the_reference_is_exact_and_saves_its_outputs() -> None:
    """One stream of f32 without a mask; a language model's context is kept exactly, too."""
    (plain,), (generating,) = (
        job().reference("r.npz").plans,
        job(files=LANGUAGE, workload=PAGED).reference("r").plans,
    )
    exact = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1"}
    assert plain.properties == exact
    assert generating.properties == {**exact, "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
    assert (plain.mask, plain.nireq, plain.split) == (None, None, None)
    assert generating.attention is Attention.PA
    assert job().reference("r.npz").outputs == Outputs("r.npz", save=True)


def test_the_hints_that_choose_have_one_request_on_the_users_cpus() -> None:
    """LATENCY first; where the user chose no CPUs it isn't bound."""
    first, second = job(files=LANGUAGE, workload=PAGED).hints()
    (plan,), (other,) = first.plans, second.plans
    assert (other.properties, other.nireq) == ({"PERFORMANCE_HINT": "THROUGHPUT"}, 1)
    assert (plan.properties, plan.nireq, plan.mask) == ({"PERFORMANCE_HINT": "LATENCY"}, 1, None)
    assert plan.attention is Attention.PA
    for hint in job(narrow(topology("2x6"), (1, 2)), narrowed=True).hints():
        assert [plan.mask for plan in hint.plans] == [(1, 2)]


def test_a_policy_is_held_against_the_same_config_without_it() -> None:
    """Under the first process's mask, with OpenVINO's own number of requests, and where sub-streams could be."""
    control = job(objectives=(METRICS["latency_p50"],)).control(policy(2))
    (plan,) = control.spec.plans
    assert (plan.properties, plan.mask, plan.nireq) == ({"NUM_STREAMS": "1"}, None, None)
    assert [place.cpus for place in control.sockets] == [frozenset(range(6)), frozenset(range(6, 12))]
    narrowed = job().control(policy(1))
    assert narrowed.spec.plans[0].mask == tuple(range(6))
    assert len(narrowed.sockets) == 1


def test_what_cannot_run_or_means_nothing_to_the_model_is_refused() -> None:
    """Rather than measured as if it did anything; the text says whose it is."""
    with pytest.raises(SpaceError, match=r"^batch=8: only a language model has it\.$"):
        job().check(Config.of({"batch": 8}))
    with pytest.raises(SpaceError, match=r"^The baseline nireq=2: a language model generates in one request\.$"):
        job(files=LANGUAGE, workload=PAGED).check(Config.of({"nireq": 2}), whose="The baseline ")
    job().check(Config.of({"nireq": 2}))
    split = Config.of({"split_count": 4, "split_min_weights": 1000})
    job().check(split)
    with pytest.raises(SpaceError, match=r"split_count=4.*: no fully connected layer of the model has"):
        job().check(split, [])


def test_what_is_less_exact_is_held_to_the_tokens() -> None:
    """Of a language model, and only a config that is less exact than the default."""
    lossy, plain = Config.of({"kv_cache_precision": "u4"}), Config.of({"num_streams": 1})
    assert [job(files=LANGUAGE, workload=PAGED).strict(config) for config in (lossy, plain)] == [True, False]
    assert not job().strict(Config.of({"inference_precision_hint": "f16"}))
