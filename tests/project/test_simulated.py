"""The simulated tunings, on made-up recordings: they must be fair before they may judge anything."""

import random
from pathlib import Path

import pytest

from autotp.findings.ruling import Ruling
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.rounds import run_round
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.weather import RepeatLimit
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.replayed import Clock
from tests.support.simulated import HINTS, SimulatedBench, candidates, simulate

CONFIGS = candidates(4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def test_a_round_is_replayed_jointly() -> None:
    """What all arms shared in a recorded round they share in the replay: drift cancels in every ratio."""
    bench = SimulatedBench(made_up(noise=0.0, drift=0.2), {}, Clock(), random.Random(1))
    arms = {str(config): bench.start([config])[0][0] for config in CONFIGS[:2]}
    found = [run_round(arms, BlockSettings(), random.Random(2), RepeatLimit()) for _ in range(30)]
    late = {**arms, "late": bench.start(CONFIGS[2:3])[0][0]}
    found += [run_round(late, BlockSettings(), random.Random(3), RepeatLimit()) for _ in range(100)]
    lengths = [{block.elapsed_s for block in round_.values() if isinstance(block, Block)} for round_ in found]
    assert all(len(of_round) == 1 for of_round in lengths)
    assert len(set.union(*lengths)) > 20


def test_a_speed_is_a_true_gain(model: Path, tmp_path: Path) -> None:
    """An arm of speed 1.2 that replays quiet rounds wins with 1.2 in its narrow interval."""
    found = simulate(made_up(noise=0.01), dict.fromkeys(CONFIGS, 1.0) | {CONFIGS[2]: 1.2}, model, tmp_path, seed=1)
    verdict = found.result.verdict
    assert verdict.ruling is Ruling.WIN
    assert verdict.winner is not None
    assert verdict.winner.config == CONFIGS[2]
    assert verdict.winner.gain(found.baselines[0]).median == pytest.approx(1.2, rel=0.01)


def test_equals_tie_within_the_budget(model: Path, tmp_path: Path) -> None:
    """Nothing wins among equals, and the clock ends about where the budget does."""
    found = simulate(made_up(noise=0.05), dict.fromkeys(CONFIGS, 1.0), model, tmp_path, seed=2, budget_s=60.0)
    assert found.result.verdict.ruling is Ruling.TIE
    assert 40.0 < found.duration_s < 66.0


def test_a_seed_is_a_race(model: Path, tmp_path: Path) -> None:
    """The same seed gives the same finals; another gives others."""
    recording, speeds = made_up(noise=0.05), dict.fromkeys(CONFIGS, 1.0)
    first, again, other = (simulate(recording, speeds, model, tmp_path, seed=seed) for seed in (3, 3, 4))
    assert first.result.noise_floor == again.result.noise_floor != other.result.noise_floor
    assert first.dropped == again.dropped


def test_a_slow_hint_does_not_reach_the_finals(model: Path, tmp_path: Path) -> None:
    """With the LATENCY hint at 0.7 the other one is the only baseline of the finals."""
    speeds = dict.fromkeys(CONFIGS, 1.0) | {HINTS[0]: 0.7}
    found = simulate(made_up(noise=0.02), speeds, model, tmp_path, seed=5)
    assert len(found.baselines) == 1
