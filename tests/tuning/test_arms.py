"""From a config to a running arm, on the real OpenVINO."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from autotp.errors import SpaceError
from autotp.measuring import Asked
from autotp.measuring.bench import Bench
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.observed import Observed
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.outputs.gate import Gate
from autotp.measuring.parent import pool as workers_module
from autotp.measuring.parent.pool import Workers
from autotp.measuring.preparation import inspect
from autotp.measuring.workload.workload import Generate
from autotp.runtime import locate
from autotp.space import Config, Effective, Predictor
from autotp.topology import narrow, probe
from tests.support.language_models import language_model
from tests.support.models import matmul_model
from tests.support.trees import Described, build
from tests.support.tune_requests import built


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def bench(model: Path, workers: Workers) -> Iterator[Bench]:
    """A bench on this machine with its reference recorded."""
    bench = Bench(built(model), Predictor(probe()), narrowed=False, workers=workers)
    bench.record_reference()
    yield bench
    bench.close()


def test_what_openvino_treats_alike_has_one_key(bench: Bench) -> None:
    """`none` is LATENCY: both start, with equal keys; another precision or request count is another arm."""
    hints = [Config.of({"performance_hint": hint}) for hint in ("latency", "none")]
    outcomes = [outcome for _, outcome in bench.start([*hints, Config.of({"num_streams": 1, "nireq": 3})])]
    seen = [outcome for outcome in outcomes if isinstance(outcome, Observed)]
    assert len(seen) == 3
    latency, none, three = seen
    assert latency.key == none.key != three.key
    assert three.effective.requests == 3
    assert latency.output_error is not None
    assert latency.proof is None


def test_a_config_that_openvino_refuses_is_a_failure_with_its_reason(bench: Bench) -> None:
    """A refused property is data: status, phase and a reason; a sound arm beside it runs."""
    refused, sound = bench.start([Config.of({"distribution_policy": "pipeline_parallel"}), Config()])
    assert isinstance(refused[1], ArmFailure)
    assert refused[1].status in (Status.INVALID, Status.CRASHED)
    assert refused[1].message.startswith("OpenVINO can't compile ")
    assert isinstance(sound[1], Observed)
    assert sound[0].block(0.0).count >= 1


def test_wrong_outputs_fail_an_arm_but_not_a_hint(bench: Bench) -> None:
    """With outputs beyond the bar an arm is WRONG_OUTPUT and stopped; ungated it is only observed."""
    bench.gate = Gate(tolerance=-1.0)  # nothing can be so exact
    ((_, gated),) = bench.start([Config()])
    assert isinstance(gated, ArmFailure)
    assert gated.status is Status.WRONG_OUTPUT
    assert "largest output error" in gated.message
    ((_, free),) = bench.start([Config()], gated=False)
    assert isinstance(free, Observed)


def test_the_hints_set_the_bar(model: Path, workers: Workers) -> None:
    """The worst output error of a hint is what is accepted in practice; a person's tolerance stays."""
    bench = Bench(built(model, tolerance=0.5), Predictor(probe()), narrowed=False, workers=workers)
    error = OutputError(max_abs_error=0.5, max_abs_reference=2.0, finite=True, relative_errors={"y": 0.25})
    hint = Observed(effective=Effective(), masks=None, proof=None, output_error=error, properties={})
    throughput = Config.of({"performance_hint": "throughput"})
    bench.accept_hints({throughput: hint, Config(): msgspec.structs.replace(hint, output_error=None)})
    assert (bench.gate.tolerance, bench.gate.hints) == (0.5, error)
    bench.close()


def test_requests_follow_the_objective(model: Path, workers: Workers) -> None:
    """For throughput OpenVINO's optimum is left alone, for latency one request is kept in flight; `nireq` wins."""
    for objective, requests in (("throughput", None), ("latency_p50", 1)):
        bench = Bench(built(model, objectives=[objective]), Predictor(probe()), narrowed=False, workers=workers)
        assert bench.arm(Config()).spec.plans[0].nireq == requests
        assert bench.arm(Config.of({"nireq": 5})).spec.plans[0].nireq == 5
        bench.close()


def test_masks_are_explicit_where_they_matter(model: Path, tmp_path: Path, workers: Workers) -> None:
    """The whole envelope needs no mask, unless the person narrowed it; a split over fewer sockets does."""
    whole = probe(build(Described(sockets=2, cores_per_node=2), tmp_path / "machine"))
    split = Config.of({"distribution_policy": "tensor_parallel", "split_count": 1})
    bench = Bench(built(model), Predictor(whole), narrowed=False, workers=workers)
    assert (bench.masks(Config()), bench.masks(split)) == (None, ((0, 1),))
    with pytest.raises(SpaceError, match="spans 2 socket"):
        bench.masks(Config.of({"distribution_policy": "tensor_parallel", "split_count": 3}))
    bench.close()
    some = Bench(built(model), Predictor(narrow(whole, (1, 2))), narrowed=True, workers=workers)
    assert (some.masks(Config()), some.masks(split)) == (((1, 2),), ((1,),))
    some.close()


def test_graph_splits_are_told_apart_by_what_they_split(model: Path, workers: Workers) -> None:
    """Shards make another arm; which threshold picked the same layers doesn't. Outputs stay."""
    layers = inspect(workers, locate(model), {}).layers
    bench = Bench(built(model), Predictor(probe(), layers), narrowed=False, workers=workers)
    bench.record_reference()
    splits = [{"split_count": n, "split_min_weights": least} for n, least in ((2, 0), (2, 1), (3, 0))]
    exact = [Config.of({"inference_precision_hint": "f32", **split}) for split in ({}, *splits)]
    outcomes = [outcome for _, outcome in bench.start(exact)]
    seen = [outcome for outcome in outcomes if isinstance(outcome, Observed)]
    assert [outcome.effective.split_nodes for outcome in seen] == [0, 1, 1, 1]
    whole, two, same, three = (outcome.key for outcome in seen)
    assert two == same
    assert len({whole, two, three}) == 3
    assert not any(outcome.mispredicted for outcome in seen)
    assert all(outcome.output_error and outcome.output_error.max_abs_error < 1e-5 for outcome in seen)
    bench.close()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it takes two CPUs")
def test_instances_run_side_by_side(bench: Bench) -> None:
    """Two processes with CPUs of their own are one arm: rates and memory add up, outputs are checked."""
    ((arm, outcome), (one, single)) = bench.start([Config.of({"instances": 2}), Config()])
    assert isinstance(outcome, Observed)
    assert isinstance(single, Observed)
    assert outcome.key != single.key
    assert outcome.masks is not None
    assert len({cpu for mask in outcome.masks for cpu in mask}) == sum(map(len, outcome.masks))
    assert [started.effective.threads for started in arm.started] == [len(mask) for mask in outcome.masks]
    assert arm.block(0.02).memory_bytes > 1.5 * one.block(0.02).memory_bytes
    assert outcome.output_error == single.output_error


def test_sequences_at_once_make_another_arm(tmp_path: Path, workers: Workers) -> None:
    """Of a language model: twice as many tokens in a block, though OpenVINO reports the same of both."""
    asked = {"objectives": ["tokens_per_s"], "asked": Asked(prompt_tokens=8, new_tokens=8), "space": None}
    request = built(language_model(tmp_path), **asked)
    bench = Bench(request, Predictor(probe()), narrowed=False, workers=workers)
    bench.record_reference()
    exact = {"inference_precision_hint": "f32"}
    (one, alone), (two, pair) = bench.start([Config.of(exact), Config.of({**exact, "batch": 2})])
    assert isinstance(alone, Observed)
    assert isinstance(pair, Observed)
    assert alone.key != pair.key
    burst = Generate(prompt=8, tokens=8)
    assert 2 * one.generate(burst).count == two.generate(burst).count == 16
    assert alone.output_error is not None
    assert alone.output_error.derived == {"tokens": 0.0}
    bench.close()


def test_a_layer_too_narrow_to_split_is_a_failure(bench: Bench) -> None:
    """More shards than output channels: invalid, with the reason."""
    ((_, outcome),) = bench.start([Config.of({"split_count": 99, "split_min_weights": 0})])
    assert isinstance(outcome, ArmFailure)
    assert outcome.status is Status.INVALID
    assert "can't be split into 99" in outcome.message


def test_arms_that_memory_has_no_room_for_are_not_started(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one arm like the reference's, the second is a failure that says so, the first runs."""
    one_arm = int(1.5 * bench._workers._arm_bytes / workers_module.MEMORY_SHARE)
    monkeypatch.setattr(workers_module, "available_memory_bytes", lambda: one_arm)
    assert bench.room == 1
    first, second = bench.start([Config.of({"num_streams": streams}) for streams in (1, 2)])
    assert isinstance(first[1], Observed)
    assert isinstance(second[1], ArmFailure)
    assert (second[1].status, second[1].phase) == (Status.OUT_OF_MEMORY, Phase.START)
    assert "GiB of memory" in second[1].message


def test_room_is_unbounded_where_memory_is_not_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that doesn't say what is left holds nothing back."""
    monkeypatch.setattr(workers_module, "available_memory_bytes", lambda: None)
    assert bench.room > 1000
