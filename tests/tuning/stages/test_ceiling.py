"""What bounds a gain, from made-up profiles."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from autotp.findings.ceiling import Ceiling
from autotp.findings.metric import Samples
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.protocol import Profiled
from autotp.space.bound_space import BoundSpace, bind
from autotp.space.knobs.config import Config
from autotp.space.knobs.graph_split import FullyConnected
from autotp.space.schema.space_file import load_space
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import race_baselines
from autotp.tuning.stages.ceiling import find_ceiling, in_order
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.named_machines import topology
from tests.support.simulated import SimulatedBench, simulated_tuning

LAYERS = (FullyConnected(1000, 10, bits=32), FullyConnected(500, 5, bits=4))
LAYER_S = {"FullyConnected": 0.12, "FullyConnectedCompressed": 0.3, "MatMul": 0.08, "Reorder": 0.5}
PROFILED = Profiled(LAYER_S, read_s=0.01)


def session_of(out: Path, arm_start_s: float = 1.0) -> Session:
    """A tuning of 300 s."""
    recording = msgspec.structs.replace(made_up(0.02), arm_start_s=arm_start_s)
    return simulated_tuning(recording, {}, matmul_model(out), out, seed=1).session


def space_on(machine: str, space: str = "default") -> BoundSpace:
    """A space of a model with `LAYERS`."""
    return bind(load_space(space), topology(machine), layers=LAYERS)


def found(
    out: Path, monkeypatch: pytest.MonkeyPatch, profiled: Profiled, space: BoundSpace, arm_start_s: float = 1.0
) -> tuple[Ceiling | None, list[int], float]:
    """The ceiling, how much memory was read to find it, and what the baseline reached."""
    asked: list[int] = []

    def profile(self: Any, config: Config, samples: Samples, memory_bytes: int) -> Profiled:
        asked.append(memory_bytes)
        return profiled

    monkeypatch.setattr(SimulatedBench, "profile", profile)
    session = session_of(out, arm_start_s)
    best = race_baselines(session).best
    return find_ceiling(session, best, space), asked, session.race.metrics(best)[session.request.objective.key]


def test_the_share_that_is_not_split_bounds_a_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """42 % of the time over two sockets: 1 / (0.58 + 0.21), and no more than that of four; one socket has none."""
    for machine, sockets, bound in (("1x8", 1, None), ("2x6", 2, 1.2658), ("4x4", 4, 1.4599)):
        ceiling, _, _ = found(tmp_path, monkeypatch, PROFILED, space_on(machine))
        assert ceiling is not None
        assert (ceiling.fully_connected, ceiling.sockets) == (0.42, sockets)
        assert ceiling.tensor_parallel == bound


def test_reading_the_weights_bounds_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of more bits may be stored anew with 16; a bound that is far away, or passed, isn't given."""
    _, asked, per_s = found(tmp_path, monkeypatch, PROFILED, space_on("1x8"))
    assert asked == [1000 * 2 + 500 // 2]
    for times, given in ((3.0, True), (11.0, False), (0.9, False)):
        profiled = Profiled(PROFILED.layer_s, read_s=1.0 / per_s / times)
        ceiling, _, _ = found(tmp_path, monkeypatch, profiled, space_on("1x8"))
        assert ceiling is not None
        assert ceiling.reading_weights == (pytest.approx(times, abs=1e-4) if given else None)


def test_a_batch_reads_the_weights_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A space with larger batches isn't bounded by reading weights for each inference."""
    _, _, per_s = found(tmp_path, monkeypatch, PROFILED, space_on("1x8"))
    (tmp_path / "space.yaml").write_text("knobs: {batch: [1, 8], num_streams: [1, 2]}")
    profiled = Profiled(PROFILED.layer_s, read_s=1.0 / per_s / 3.0)
    ceiling, _, _ = found(tmp_path, monkeypatch, profiled, space_on("1x8", str(tmp_path / "space.yaml")))
    assert ceiling is not None
    assert ceiling.reading_weights is None


def test_no_profile_no_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that would take more than 2 % of the budget isn't made; one that fails, or is empty, says nothing."""
    ceiling, asked, _ = found(tmp_path, monkeypatch, PROFILED, space_on("1x8"), arm_start_s=6.0)
    assert ceiling is None
    assert not asked
    ceiling, asked, _ = found(tmp_path, monkeypatch, Profiled({}), space_on("1x8"))
    assert ceiling is None
    assert asked

    def failing(self: Any, config: Config, samples: Samples, memory_bytes: int) -> Profiled:
        raise ArmFailure(Status.CRASHED, Phase.PROFILE, "gone")

    monkeypatch.setattr(SimulatedBench, "profile", failing)
    session = session_of(tmp_path)
    assert find_ceiling(session, race_baselines(session).best, space_on("1x8")) is None


def test_what_can_gain_most_is_tried_first() -> None:
    """A split that can give more than streams comes before them, one that can give less after them."""
    streams, split = Config.of({"num_streams": 4}), Config.of({"distribution_policy": "tensor_parallel"})
    f32 = Config.of({"inference_precision_hint": "f32"})
    configs = [streams, f32, split]
    worth_it = Ceiling(fully_connected=0.9, sockets=2, tensor_parallel=1.8, reading_weights=1.3)
    assert in_order(configs, worth_it) == [split, streams, f32]
    small = Ceiling(fully_connected=0.1, sockets=2, tensor_parallel=1.05)
    assert in_order([split, streams, f32], small) == [streams, f32, split]
    assert in_order(configs, None) == configs
    assert in_order(configs, Ceiling(fully_connected=0.9)) == configs
