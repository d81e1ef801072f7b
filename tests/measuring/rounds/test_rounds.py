"""Rounds: every live arm once, in random order, and blocks of a sensible length."""

import random
from collections import Counter
from itertools import permutations

import pytest

from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import Arm, ArmSpec
from autotp.measuring.rounds.blocks import Blocks
from autotp.measuring.rounds.rounds import run_round
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.weather import Patience
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.workload import Generate, Run, Token, Workload
from autotp.topology import Envelope

BLOCK = Block(count=1, elapsed_s=1.0, latencies_s=(1.0,), memory_bytes=1)


class Scripted(Arm):
    """An arm without workers that writes down when it runs."""

    def __init__(self, name: str, log: list[tuple[str, Run]], failure: ArmFailure | None = None) -> None:
        super().__init__(ArmSpec(plans=(), workload=Workload()), Workers())
        self._name, self._log, self._failure = name, log, failure

    def _run(self, run: Run | Generate, phase: Phase) -> Block:
        """Return a fixed block, or fail."""
        assert isinstance(run, Run)
        self._log.append((self._name, run))
        if self._failure is not None:
            raise self._failure
        return BLOCK


def test_each_arm_runs_once_a_round() -> None:
    """A round holds one block of the asked length of every arm."""
    log: list[tuple[str, Run]] = []
    arms = {name: Scripted(name, log) for name in "abc"}
    assert run_round(arms, Blocks(), random.Random(0), Patience()) == dict.fromkeys("abc", BLOCK)
    assert sorted((name, run.duration_s, run.lead_in_s) for name, run in log) == [(n, 0.05, 0.0) for n in "abc"]


def test_the_arms_of_a_round_share_their_arrivals() -> None:
    """All blocks of a round have one seed, and each round has another."""
    rng, seeds = random.Random(0), set[int]()
    for _ in range(5):
        log: list[tuple[str, Run]] = []
        run_round({name: Scripted(name, log) for name in "abc"}, Blocks(), rng, Patience())
        (seed,) = {run.seed for _, run in log}
        seeds.add(seed)
    assert len(seeds) == 5


def test_every_order_comes_up_about_equally_often() -> None:
    """Over 600 rounds each of the six orders of three arms comes between 60 and 140 times."""
    rng, orders = random.Random(0), Counter[str]()
    for _ in range(600):
        log: list[tuple[str, Run]] = []
        run_round({name: Scripted(name, log) for name in "abc"}, Blocks(), rng, Patience())
        orders["".join(name for name, _ in log)] += 1
    assert set(orders) == {"".join(order) for order in permutations("abc")}
    assert all(60 <= count <= 140 for count in orders.values())


def test_the_seed_fixes_the_orders() -> None:
    """Two runs with the same seed run the arms in the same order, round by round."""

    def orders(seed: int) -> list[tuple[str, Run]]:
        log: list[tuple[str, Run]] = []
        rng = random.Random(seed)
        for _ in range(20):
            run_round({name: Scripted(name, log) for name in "abcd"}, Blocks(), rng, Patience())
        return log

    assert orders(3) == orders(3)
    assert orders(3) != orders(4)


def test_a_failing_arm_does_not_stop_the_round() -> None:
    """The failure of one arm stands in the results beside the blocks of the others."""
    log: list[tuple[str, Run]] = []
    failure = ArmFailure(Status.CRASHED, Phase.BLOCK, "gone")
    arms = {"a": Scripted("a", log), "b": Scripted("b", log, failure), "c": Scripted("c", log)}
    assert run_round(arms, Blocks(), random.Random(0), Patience()) == {"a": BLOCK, "b": failure, "c": BLOCK}


@pytest.mark.parametrize(
    ("turn_s", "longest_s", "expected_s"),
    [
        (0.0005, 1.0, 0.05),
        (0.02, 1.0, 0.08),
        (0.5, 1.0, 1.0),
        (0.5, 0.001, 0.05),
    ],
)
def test_blocks_are_short_but_hold_four_turns(turn_s: float, longest_s: float, expected_s: float) -> None:
    """Blocks last 50 ms, or four turns where these take longer, up to the bound and never below 50 ms."""
    blocks = Blocks().fit(turn_s, longest_s)
    assert blocks.duration_s == pytest.approx(expected_s)
    assert blocks.lead_in_s == 0.0


def test_at_a_rate_blocks_hold_twenty_arrivals() -> None:
    """What counts as a turn is the time of five arrivals, however long the model takes."""
    arm = Arm(ArmSpec(plans=(), workload=Workload(rate_per_s=50.0)), Workers())
    assert Blocks().fit(arm.turn_s(BLOCK), 10.0).duration_s == pytest.approx(20 / 50.0)


def limited(quota: float | None, cpus: int = 2, rate_per_s: float | None = None) -> Blocks:
    """How blocks are made on that many CPUs under that quota."""
    envelope = Envelope(cpus=tuple(range(cpus)), cpu_quota=quota, memory_limit_bytes=None)
    return Blocks.within(envelope, Workload(rate_per_s=rate_per_s))


@pytest.mark.parametrize("quota", [None, 2.0, 3.5])
def test_a_quota_that_holds_nothing_back_changes_nothing(quota: float | None) -> None:
    """Without a quota, or with one of all the CPUs, blocks and rounds are as ever."""
    blocks = limited(quota)
    assert blocks == Blocks(duration_s=0.05, lead_in_s=0.0)
    assert blocks.fitting == Blocks(duration_s=0.0)
    assert [blocks.rounds(usual) for usual in (10, 25, 100)] == [10, 25, 100]


def test_under_a_quota_blocks_last_whole_periods_after_one_untimed() -> None:
    """An arm first runs into its own steady state: a period of 0.1 s that isn't timed, then three that are."""
    log: list[tuple[str, Run]] = []
    blocks = limited(1.0)
    assert run_round({"a": Scripted("a", log)}, blocks, random.Random(0), Patience()) == {"a": BLOCK}
    assert [(run.lead_in_s, run.duration_s) for _, run in log] == [pytest.approx((0.1, 0.3))]
    assert blocks.fitting == blocks


@pytest.mark.parametrize(
    ("turn_s", "longest_s", "expected_s"),
    [(0.001, 1.0, 0.3), (0.09, 1.0, 0.4), (1.0, 0.55, 0.6), (1.0, 0.1, 0.3)],
)
def test_blocks_of_a_slow_model_stay_whole_periods(turn_s: float, longest_s: float, expected_s: float) -> None:
    """Four turns are rounded up to periods; blocks never become shorter than three."""
    assert limited(0.5).fit(turn_s, longest_s).duration_s == pytest.approx(expected_s)


def test_long_blocks_need_fewer_rounds() -> None:
    """One block of 0.3 s is worth six of the usual ones, and stays so where a slow model makes it longer."""
    assert [limited(1.5).rounds(usual) for usual in (10, 25, 100)] == [2, 5, 17]
    assert limited(1.5).fit(1.0, 2.0).rounds(100) == 17


@pytest.mark.parametrize(("quota", "lead_in_s"), [(None, 0.0), (1.5, 0.1)])
def test_at_a_rate_blocks_give_a_queue_time_to_build_up(quota: float | None, lead_in_s: float) -> None:
    """They last half a second, longer where arrivals are rare, and never less; one is worth ten of the usual."""
    blocks = limited(quota, rate_per_s=50.0)
    assert (blocks.duration_s, blocks.lead_in_s) == (0.5, lead_in_s)
    assert blocks.fit(0.001, 1.0).duration_s == 0.5
    assert blocks.fit(5.0, 0.2).duration_s == 0.5
    assert blocks.fit(0.2, 1.0).duration_s == pytest.approx(0.8)
    assert [blocks.fit(0.2, 1.0).rounds(usual) for usual in (10, 25, 100)] == [1, 3, 10]


class Generating(Scripted):
    """An arm of a language model without workers that writes down what it's asked."""

    def __init__(self, asked: list[Generate]) -> None:
        super().__init__("llm", [])
        self.spec = ArmSpec(plans=(), workload=Workload(generation=SECOND))
        self._asked = asked

    def _run(self, run: Run | Generate, phase: Phase) -> Block:
        """Return a burst of 80 ms."""
        assert isinstance(run, Generate)
        self._asked.append(run)
        return Block(count=8, elapsed_s=0.08, second_tokens_s=(0.01,) * 8)


SECOND = Generation(prompt_tokens=64, new_tokens=64, timed=(Token.SECOND,))


def generated(quota: float | None) -> Blocks:
    """How blocks of a language model are made on two CPUs under that quota."""
    envelope = Envelope(cpus=(0, 1), cpu_quota=quota, memory_limit_bytes=None)
    return Blocks.within(envelope, Workload(generation=SECOND))


def test_a_language_models_blocks_are_tokens() -> None:
    """As many for every arm and at the round's place in the generation; their length isn't free to choose."""
    asked: list[Generate] = []
    blocks, arm = generated(None), Generating(asked)
    fitted = blocks.fit(arm.turn_s(blocks.fitting.run(arm)), 0.001)
    assert (fitted, fitted.fixed, fitted.rounds(10)) == (blocks, True, 10)
    for number in range(3):
        run_round({"a": arm}, fitted, random.Random(0), Patience(), number)
    assert [(burst.context, burst.tokens) for burst in asked] == [(64, 8), (64, 8), (72, 8), (80, 8)]


def test_under_a_quota_they_are_as_many_bursts_as_periods_take() -> None:
    """After a period in which the prompt is read untimed, three periods of tokens: four bursts of 80 ms."""
    asked: list[Generate] = []
    blocks, arm = generated(1.0), Generating(asked)
    fitted = blocks.fit(arm.turn_s(blocks.fitting.run(arm)), 0.001)
    fitted.run(arm, number=1)
    assert asked[-1] == Generate(prompt=64 + 31, steps=1, tokens=32, lead_in_s=0.1)


def test_all_tokens_make_a_whole_block() -> None:
    """One config on its own is measured by whole generations."""
    asked: list[Generate] = []
    generated(None).whole.run(Generating(asked), number=5)
    assert asked == [Generate(prompt=64, tokens=64, first=True)]
