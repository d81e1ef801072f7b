"""Streams, threads and sub-streams as the real OpenVINO makes them on pretended machines."""

from pathlib import Path

import pytest

from autotp.space.aliases.effective import Effective
from autotp.space.aliases.predictor import MODEL_THREADS, Predictor
from autotp.space.knobs.config import Config
from tests.evidence.sweep_effective import predict_and_observe
from tests.support import rig
from tests.support.effective_configs import MACHINES
from tests.support.named_machines import topology

CONFIGS = 16  # each rule once; `tests.evidence.sweep_effective` draws more, and has the kernel count threads


@rig.requires_rig(shim=True)
@pytest.mark.parametrize("name", ["2 sockets, SMT", "2 sockets of 2 nodes", "L3 by cluster", "P- and E-cores"])
def test_openvino_does_what_was_predicted(name: str, tmp_path: Path) -> None:
    """Streams, threads and pinning are as predicted for every config."""
    cases = predict_and_observe(MACHINES[name], CONFIGS, tmp_path, times=1)
    assert [case for case in cases if not case.reported_as_predicted] == []


@pytest.mark.parametrize(
    ("name", "settings", "streams", "threads", "sub_streams"),
    [
        ("1x8", {}, 1, 8, ()),
        ("1x8", {"num_streams": 3}, 3, 6, ()),
        ("1x8", {"num_streams": 5, "inference_num_threads": 3}, 3, 3, ()),
        ("2x6", {}, 1, 6, ()),
        ("2x6", {"inference_num_threads": 8}, 1, 8, ()),
        ("2x6", {"distribution_policy": "tensor_parallel"}, 1, 12, (6, 6)),
        ("2x6", {"distribution_policy": "tensor_parallel", "inference_num_threads": 4}, 1, 8, (4, 4)),
        ("4x4", {"distribution_policy": "tensor_parallel", "split_count": 3}, 1, 12, (4, 4, 4)),
        ("smt 2", {}, 1, 4, ()),
        ("smt 2", {"enable_hyper_threading": True}, 1, 8, ()),
        # The second sub-stream of two is a part of the first: OpenVINO reports 12 threads and has 9.
        ("snc", {"distribution_policy": "tensor_parallel"}, 1, 12, (6, 3)),
    ],
)
def test_streams_follow_from_the_machine_and_the_config(
    name: str, settings: dict[str, object], streams: int, threads: int, sub_streams: tuple[int, ...]
) -> None:
    """What OpenVINO makes of configs on regular machines."""
    found = Predictor(topology(name)).streams(Config.of(settings))
    assert found is not None
    assert (found.streams, found.threads, found.sub_streams) == (streams, threads, sub_streams)


def test_the_hint_s_own_streams_wait_for_the_model() -> None:
    """How many streams THROUGHPUT makes is unknown until one compile shows what the model calls for."""
    predictor, hint = Predictor(topology("2x6")), Config.of({"performance_hint": "throughput"})
    assert predictor.effective(hint).streams is None
    assert predictor.effective(hint).precision == "bf16"
    for model_threads in MODEL_THREADS:
        observed = predictor.effective(hint, (model_threads,))
        assert predictor.model_threads(hint, observed) == (model_threads,)


def test_what_all_candidates_agree_on_is_known() -> None:
    """Four streams of two threads on eight cores fit two kinds of model; where both do the same, that is known."""
    predictor, hint = Predictor(topology("1x8")), Config.of({"performance_hint": "throughput"})
    left = predictor.model_threads(hint, Effective(streams=4, threads=8))
    assert left == (0, 2)
    assert predictor.effective(hint, left).streams == 4
    five = Config.of({"performance_hint": "throughput", "inference_num_threads": 5})
    assert predictor.effective(five, left).streams is None
