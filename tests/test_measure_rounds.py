"""Rounds: every live arm once, in random order, and blocks of a sensible length."""

import random
from collections import Counter
from itertools import permutations

import pytest

from autotp.measure.arm import Arm, ArmSpec
from autotp.measure.protocol import ArmFailure, Block, Phase, Status, Workload
from autotp.measure.rounds import block_length_s, run_round

BLOCK = Block(count=1, elapsed_s=1.0, latencies_s=(1.0,), memory_bytes=1)


class Scripted(Arm):
    """An arm without workers that writes down when it runs."""

    def __init__(self, name: str, log: list[tuple[str, float]], failure: ArmFailure | None = None) -> None:
        super().__init__(ArmSpec(plans=(), workload=Workload()))
        self._name, self._log, self._failure = name, log, failure

    def block(self, duration_s: float) -> Block:
        """Return a fixed block, or fail."""
        self._log.append((self._name, duration_s))
        if self._failure is not None:
            raise self._failure
        return BLOCK


def test_each_arm_runs_once_a_round() -> None:
    """A round holds one block of the asked length of every arm."""
    log: list[tuple[str, float]] = []
    arms = {name: Scripted(name, log) for name in "abc"}
    assert run_round(arms, 0.05, random.Random(0)) == dict.fromkeys("abc", BLOCK)
    assert sorted(log) == [("a", 0.05), ("b", 0.05), ("c", 0.05)]


def test_every_order_comes_up_about_equally_often() -> None:
    """Over 600 rounds each of the six orders of three arms comes between 60 and 140 times."""
    rng, orders = random.Random(0), Counter[str]()
    for _ in range(600):
        log: list[tuple[str, float]] = []
        run_round({name: Scripted(name, log) for name in "abc"}, 0.05, rng)
        orders["".join(name for name, _ in log)] += 1
    assert set(orders) == {"".join(order) for order in permutations("abc")}
    assert all(60 <= count <= 140 for count in orders.values())


def test_the_seed_fixes_the_orders() -> None:
    """Two runs with the same seed run the arms in the same order, round by round."""

    def orders(seed: int) -> list[tuple[str, float]]:
        log: list[tuple[str, float]] = []
        rng = random.Random(seed)
        for _ in range(20):
            run_round({name: Scripted(name, log) for name in "abcd"}, 0.05, rng)
        return log

    assert orders(3) == orders(3)
    assert orders(3) != orders(4)


def test_a_failing_arm_does_not_stop_the_round() -> None:
    """The failure of one arm stands in the results beside the blocks of the others."""
    log: list[tuple[str, float]] = []
    failure = ArmFailure(Status.CRASHED, Phase.BLOCK, "gone")
    arms = {"a": Scripted("a", log), "b": Scripted("b", log, failure), "c": Scripted("c", log)}
    assert run_round(arms, 0.05, random.Random(0)) == {"a": BLOCK, "b": failure, "c": BLOCK}


@pytest.mark.parametrize(
    ("latency_s", "longest_s", "expected_s"),
    [
        (0.0005, 1.0, 0.05),
        (0.01, 1.0, 0.08),
        (0.5, 1.0, 1.0),
        (0.5, 0.001, 0.05),
    ],
)
def test_blocks_are_short_but_hold_eight_inferences(latency_s: float, longest_s: float, expected_s: float) -> None:
    """Blocks last 50 ms, or eight inferences where these take longer, up to the bound and never below 50 ms."""
    assert block_length_s(latency_s, longest_s) == pytest.approx(expected_s)
