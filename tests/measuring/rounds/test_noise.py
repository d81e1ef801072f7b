"""Noise: the baseline against itself, here with arms whose noise is known and a clock that they move."""

import random
from collections.abc import Callable
from math import exp, sqrt

import pytest

from autotp.findings.metric import METRICS
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.noise import FEWEST_ROUNDS, PAIRS, Noise, least_seconds, measure_noise
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.weather import RepeatLimit
from autotp.measuring.workload.workload import Run
from tests.support.workerless import Workerless

TURN_S = 0.004


class Clock:
    """A clock that stands still unless an arm moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


class Noisy(Workerless):
    """An arm of a process whose speed is off by `bias`, that of a block by `spread` of its length."""

    def __init__(self, clock: Clock, rng: random.Random, bias: float, spread: Callable[[float], float]) -> None:
        super().__init__()
        self._clock, self._rng, self._bias, self._spread = clock, rng, bias, spread

    def turn_s(self, block: Block) -> float:
        """Return the seconds of a turn, whatever the block."""
        return TURN_S

    def block(self, run: Run) -> Block:
        """Return a block of that process, and let its time pass."""
        seconds = max(run.duration_s, TURN_S)
        self._clock.seconds += seconds + TURN_S
        rate = 1000 * exp(self._bias + self._rng.gauss(0, self._spread(seconds)))
        count = max(1, round(rate * seconds))
        return Block(count=count, elapsed_s=count / rate, latencies_s=(1 / rate,) * count, memory_bytes=1)


def white(duration_s: float) -> float:
    """Noise that averages out with time."""
    return 0.01 * sqrt(0.05 / duration_s)


def drifting(duration_s: float) -> float:
    """Noise that grows with a block's length, as where neighbours come and go."""
    return 0.3 * duration_s


def noise_of(
    spread: Callable[[float], float],
    processes: float = 0.0,
    blocks: BlockSettings | None = None,
    seconds: float = 60.0,
    seed: int = 0,
) -> Noise:
    """The noise found with pairs of arms whose processes are off by `processes`."""
    clock, rng = Clock(), random.Random(seed)

    def make() -> Arm:
        return Noisy(clock, rng, rng.gauss(0, processes), spread)

    return measure_noise(make, METRICS["throughput"], blocks or BlockSettings(), seconds, seed, clock)


def test_short_blocks_win_where_noise_grows_with_length() -> None:
    """Of noise that drifts, the shortest block that holds four turns has the least error for its time."""
    noise = noise_of(drifting)
    assert noise.block_s == 0.02
    assert noise.errors[0.02] < noise.errors[0.05] < noise.errors[0.1]


def test_the_usual_length_stays_where_no_other_is_clearly_better() -> None:
    """Of white noise all lengths do about as well, and the estimate alone seldom says otherwise."""
    chosen = [noise_of(white, seed=seed).block_s for seed in range(20)]
    assert chosen.count(0.05) > 10


def test_a_short_time_is_spent_on_the_usual_length() -> None:
    """Other lengths are only tried where there is time for rounds enough of each."""
    tried = {seconds: list(noise_of(drifting, seconds=seconds).errors) for seconds in (1.0, 5.0, 12.0)}
    assert tried[1.0] == [0.05]
    assert sorted(tried[5.0]) == [0.02, 0.05]
    assert sorted(tried[12.0]) == [0.02, 0.05, 0.1]


def test_blocks_are_never_too_short_for_their_turns() -> None:
    """Where blocks had to be longer for slow requests, or are whole periods of a quota, their length stays."""
    slow = BlockSettings(duration_s=0.4)
    assert list(noise_of(drifting, blocks=slow).errors) == [0.4]
    quota = BlockSettings(duration_s=0.3, lead_in_s=0.1)
    assert noise_of(drifting, blocks=quota).block_s == 0.3


def test_what_can_be_proved_follows_from_how_processes_differ() -> None:
    """Processes that differ by 2 % hide gains of several per cent, those that don't hide less than one."""
    floors = [noise_of(white, processes=0.02, seed=seed).smallest_gain for seed in range(20)]
    assert 1.03 < sum(floors) / 20 < 1.08
    assert 1.0 < noise_of(white).smallest_gain < 1.01


def test_the_time_is_kept() -> None:
    """The rounds of all pairs and lengths take about the seconds that are given."""
    clock = Clock()

    def make() -> Arm:
        return Noisy(clock, random.Random(1), 0.0, white)

    measure_noise(make, METRICS["throughput"], BlockSettings(), 30.0, 0, clock)
    assert clock() == pytest.approx(30.0, rel=0.15)


def test_an_arm_that_fails_is_reported_and_all_are_stopped() -> None:
    """The failure is the caller's, and no arm is left."""
    made: list[Noisy] = []
    failure = ArmFailure(Status.CRASHED, Phase.BLOCK, "gone")

    class Frail(Noisy):
        def block(self, run: Run) -> Block:
            raise failure

    def make() -> Arm:
        made.append(Frail(Clock(), random.Random(0), 0.0, white))
        return made[-1]

    with pytest.raises(ArmFailure):
        measure_noise(make, METRICS["throughput"], BlockSettings(), 1.0, 0)
    assert len(made) == 2 <= 2 * PAIRS
    assert all(arm.stopped for arm in made)


def test_no_pair_begins_that_would_end_too_late() -> None:
    """One pair always runs, however slow; a second only where as long a one ends before the deadline."""
    for deadline, pairs in ((1.0, 1), (11.0, 1), (26.0, 2), (100.0, PAIRS)):
        clock = Clock()
        made: list[Arm] = []

        def make(clock: Clock = clock, made: list[Arm] = made) -> Arm:
            made.append(Noisy(clock, random.Random(1), 0.0, white))
            clock.seconds += 1.0  # a slow start
            return made[-1]

        noise = measure_noise(make, METRICS["throughput"], BlockSettings(), 30.0, 0, clock, deadline=deadline)
        assert len(made) == 2 * pairs
        assert pairs == PAIRS or noise.block_s == 0.05


def test_the_least_time_is_what_a_single_pair_takes() -> None:
    """A pair of arms that start in 1 s runs no fewer rounds than eight, however little time is given."""
    clock = Clock()
    made = 0

    def make() -> Arm:
        nonlocal made
        made += 1
        clock.seconds += 1.0
        return Noisy(clock, random.Random(1), 0.0, white)

    slow = BlockSettings(duration_s=1.0)
    measure_noise(make, METRICS["throughput"], slow, 0.0, 0, clock, deadline=0.0)
    assert made == 2
    assert clock() == pytest.approx(least_seconds(1.0, 1.0 + TURN_S), rel=0.1)


def test_its_blocks_are_counted_with_the_weather() -> None:
    """Every block that counts is counted in the given `RepeatLimit`, to be reported with the others."""
    clock, repeats = Clock(), RepeatLimit()

    def make() -> Arm:
        return Noisy(clock, random.Random(1), 0.0, white)

    measure_noise(make, METRICS["throughput"], BlockSettings(duration_s=0.2), 0.0, 0, clock, repeats=repeats)
    assert repeats.blocks == 2 * PAIRS * FEWEST_ROUNDS
