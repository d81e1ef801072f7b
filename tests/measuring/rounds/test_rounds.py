"""Rounds: every live arm once, in random order, and what others disturbed once more."""

import random
from collections import Counter
from itertools import permutations

from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.rounds import run_round
from autotp.measuring.samples.block import Block, Weather
from autotp.measuring.samples.weather import RepeatLimit
from autotp.measuring.workload.workload import Run
from tests.support.workerless import Workerless

BLOCK = Block(count=1, elapsed_s=1.0, latencies_s=(1.0,), memory_bytes=1)


class Scripted(Workerless):
    """An arm without workers that writes down when it runs."""

    def __init__(self, name: str, log: list[tuple[str, Run]], failure: ArmFailure | None = None) -> None:
        super().__init__()
        self._name, self._log, self._failure = name, log, failure

    def block(self, run: Run) -> Block:
        """Return a fixed block, or fail."""
        self._log.append((self._name, run))
        if self._failure is not None:
            raise self._failure
        return BLOCK


def test_each_arm_runs_once_a_round() -> None:
    """A round holds one block of the asked length of every arm."""
    log: list[tuple[str, Run]] = []
    arms = {name: Scripted(name, log) for name in "abc"}
    assert run_round(arms, BlockSettings(), random.Random(0), RepeatLimit()) == dict.fromkeys("abc", BLOCK)
    assert sorted((name, run.duration_s, run.lead_in_s) for name, run in log) == [(n, 0.05, 0.0) for n in "abc"]


def test_the_arms_of_a_round_share_their_arrivals() -> None:
    """All blocks of a round have one seed, and each round has another."""
    rng, seeds = random.Random(0), set[int]()
    for _ in range(5):
        log: list[tuple[str, Run]] = []
        run_round({name: Scripted(name, log) for name in "abc"}, BlockSettings(), rng, RepeatLimit())
        (seed,) = {run.seed for _, run in log}
        seeds.add(seed)
    assert len(seeds) == 5


def test_every_order_comes_up_about_equally_often() -> None:
    """Over 600 rounds each of the six orders of three arms comes between 60 and 140 times."""
    rng, orders = random.Random(0), Counter[str]()
    for _ in range(600):
        log: list[tuple[str, Run]] = []
        run_round({name: Scripted(name, log) for name in "abc"}, BlockSettings(), rng, RepeatLimit())
        orders["".join(name for name, _ in log)] += 1
    assert set(orders) == {"".join(order) for order in permutations("abc")}
    assert all(60 <= count <= 140 for count in orders.values())


def test_the_seed_fixes_the_orders() -> None:
    """Two runs with the same seed run the arms in the same order, round by round."""

    def orders(seed: int) -> list[tuple[str, Run]]:
        log: list[tuple[str, Run]] = []
        rng = random.Random(seed)
        for _ in range(20):
            run_round({name: Scripted(name, log) for name in "abcd"}, BlockSettings(), rng, RepeatLimit())
        return log

    assert orders(3) == orders(3)
    assert orders(3) != orders(4)


def test_a_failing_arm_does_not_stop_the_round() -> None:
    """The failure of one arm stands in the results beside the blocks of the others."""
    log: list[tuple[str, Run]] = []
    failure = ArmFailure(Status.CRASHED, Phase.BLOCK, "gone")
    arms = {"a": Scripted("a", log), "b": Scripted("b", log, failure), "c": Scripted("c", log)}
    assert run_round(arms, BlockSettings(), random.Random(0), RepeatLimit()) == {
        "a": BLOCK,
        "b": failure,
        "c": BLOCK,
    }


def test_all_arms_of_a_round_run_blocks_of_its_number() -> None:
    """So that they are at the same place of a generation."""
    log: list[tuple[str, Run]] = []
    run_round(
        {name: Scripted(name, log) for name in "ab"}, BlockSettings(), random.Random(0), RepeatLimit(), number=7
    )
    assert [run.number for _, run in log] == [7, 7]


class Disturbed(Workerless):
    """An arm whose first blocks others disturb."""

    def __init__(self, disturbed: int) -> None:
        super().__init__()
        self.runs: list[Run] = []
        self._disturbed = disturbed

    def block(self, run: Run) -> Block:
        """Return a disturbed block, or one that isn't."""
        self.runs.append(run)
        taken_s = 1.0 if len(self.runs) <= self._disturbed else 0.0
        return Block(count=1, elapsed_s=1.0, weather=Weather(watched_s=1.0, cpus=1, others_s=taken_s))


def test_a_disturbed_block_is_run_again() -> None:
    """With the same arrivals and at the same place; the block that counts says how many were dropped before."""
    arm, repeats = Disturbed(disturbed=1), RepeatLimit()
    (block,) = run_round({"a": arm}, BlockSettings(), random.Random(0), repeats, number=3).values()
    assert isinstance(block, Block)
    assert (block.dropped, block.weather.others_s) == (1, 0.0)
    assert arm.runs[0] == arm.runs[1]
    assert (repeats.repeated, repeats.kept) == (1, 0)


def test_lasting_disturbance_is_not_repeated_for_ever() -> None:
    """An arm that is always disturbed is measured nevertheless."""
    arm, repeats = Disturbed(disturbed=9), RepeatLimit()
    (block,) = run_round({"a": arm}, BlockSettings(), random.Random(0), repeats).values()
    assert isinstance(block, Block)
    assert block.weather.others_s == 1.0
    assert len(arm.runs) == 1 + repeats.repeated
    assert repeats.kept == 1
