"""How blocks are made: of a sensible length, in whole periods of a quota, of so much work."""

import sys

import pytest

from autotp.findings.metric import Samples
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.open_loop import OpenLoop
from autotp.measuring.workload.token_driver import TokenBlock
from autotp.measuring.workload.workload import Run, Workload
from autotp.topology.envelope.envelope import Envelope
from tests.support.workerless import Workerless

SECOND = Generation(prompt_tokens=64, new_tokens=64, timed=(Samples.SECOND_TOKENS,))


def limited(quota: float | None, workload: Workload | None = None, period_s: float = 0.1) -> BlockSettings:
    """How blocks are made on two CPUs under that quota."""
    period = None if quota is None else period_s
    envelope = Envelope(cpus=(0, 1), cpu_quota=quota, memory_limit_bytes=None, cpu_quota_period_s=period)
    return BlockSettings.within(envelope, workload or ClosedLoop())


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
    blocks = BlockSettings().fit(turn_s, longest_s)
    assert blocks.duration_s == pytest.approx(expected_s)
    assert blocks.lead_in_s == 0.0


def test_blocks_may_be_made_to_last_longer() -> None:
    """Never shorter than they were; under a quota they stay whole periods."""
    assert BlockSettings().lasting(0.5).fit(0.001, 0.5).duration_s == 0.5
    assert BlockSettings().lasting(0.01) == BlockSettings()
    assert limited(1.0).lasting(0.55) == limited(1.0)
    passes = limited(None, ClosedLoop(data_dependent=True, sample_count=8)).lasting(0.5)
    assert passes.fit(0.04, 0.001).amount == 13


@pytest.mark.parametrize("quota", [None, 2.0, 3.5])
def test_a_quota_that_holds_nothing_back_changes_nothing(quota: float | None) -> None:
    """Without a quota, or with one of all the CPUs, blocks and rounds are as ever."""
    blocks = limited(quota)
    assert blocks == BlockSettings(duration_s=0.05, lead_in_s=0.0)
    assert blocks.first_look == BlockSettings(duration_s=0.0)
    assert [blocks.rounds(usual) for usual in (10, 25, 100)] == [10, 25, 100]


def test_under_a_quota_blocks_last_whole_periods_after_one_untimed() -> None:
    """An arm first runs into its own steady state: a period of 0.1 s that isn't timed, then three that are."""
    asked: list[Run] = []
    blocks = limited(1.0)
    blocks.run(Recorded(asked))
    assert [(run.lead_in_s, run.duration_s) for run in asked] == [pytest.approx((0.1, 0.3))]
    assert blocks.first_look == blocks


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


@pytest.mark.parametrize(
    ("period_s", "block_s", "slow_s", "rounds"),
    [
        (0.001, 0.05, 0.5, 100),
        (0.01, 0.05, 0.5, 100),
        (0.04, 0.12, 0.52, 42),
        (0.2, 0.4, 0.6, 13),
        (1.0, 1.0, 1.0, 5),
    ],
)
def test_blocks_follow_the_period_of_the_quota(
    period_s: float, block_s: float, slow_s: float, rounds: int
) -> None:
    """An untimed period, then whole ones: three, more if they are short, one or two if they are long."""
    blocks = limited(1.0, period_s=period_s)
    assert [blocks.lead_in_s, blocks.duration_s] == pytest.approx([period_s, block_s])
    assert blocks.fit(0.125, 0.5).duration_s == pytest.approx(slow_s)
    assert blocks.rounds(100) == rounds


@pytest.mark.parametrize(("period_s", "block_s", "rounds"), [(0.01, 0.5, 10), (0.3, 0.6, 9), (1.0, 1.0, 5)])
def test_at_a_rate_blocks_follow_the_period_as_well(period_s: float, block_s: float, rounds: int) -> None:
    """They last half a second or longer, in whole periods."""
    blocks = limited(1.0, OpenLoop(rate_per_s=50.0), period_s)
    assert [blocks.lead_in_s, blocks.duration_s] == pytest.approx([period_s, block_s])
    assert blocks.rounds(100) == rounds


def test_at_a_rate_blocks_hold_twenty_arrivals() -> None:
    """What counts as a turn is the time of five arrivals, however long the model takes."""
    turn_s = OpenLoop(rate_per_s=50.0).turn_s(Block(count=1, elapsed_s=1.0, latencies_s=(1.0,)), 1)
    assert BlockSettings().fit(turn_s, 10.0).duration_s == pytest.approx(20 / 50.0)


@pytest.mark.parametrize(("quota", "lead_in_s"), [(None, 0.0), (1.5, 0.1)])
def test_at_a_rate_blocks_give_a_queue_time_to_build_up(quota: float | None, lead_in_s: float) -> None:
    """They last half a second, longer where arrivals are rare, and never less; one is worth ten of the usual."""
    blocks = limited(quota, OpenLoop(rate_per_s=50.0))
    assert (blocks.duration_s, blocks.lead_in_s) == (0.5, lead_in_s)
    assert blocks.fit(0.001, 1.0).duration_s == 0.5
    assert blocks.fit(5.0, 0.2).duration_s == 0.5
    assert blocks.fit(0.2, 1.0).duration_s == pytest.approx(0.8)
    assert [blocks.fit(0.2, 1.0).rounds(usual) for usual in (10, 25, 100)] == [1, 3, 10]


class Recorded(Workerless):
    """An arm that writes down what it is asked, and whose blocks are bursts of 80 ms."""

    def __init__(self, asked: list[Run], workload: Generation | None = None) -> None:
        super().__init__(workload)
        self._asked = asked

    def block(self, run: Run) -> Block:
        """Return eight tokens."""
        self._asked.append(run)
        return Block(count=8, elapsed_s=0.08, second_tokens_s=(0.01,) * 8)


def test_a_language_models_blocks_are_tokens() -> None:
    """As many for every arm and at the round's place in the generation; their length isn't free to choose."""
    asked: list[Run] = []
    blocks, arm = limited(None, SECOND), Recorded(asked, SECOND)
    fitted = blocks.fit(arm.turn_s(blocks.first_look.run(arm)), 0.001)
    assert (fitted, fitted.fixed_length, fitted.rounds(10)) == (blocks, True, 10)
    for number in range(3):
        fitted.run(arm, number=number)
    bursts = [SECOND.burst(run) for run in asked]
    assert [(burst.context, burst.tokens) for burst in bursts] == [(64, 8), (64, 8), (72, 8), (80, 8)]


def test_under_a_quota_they_are_as_many_bursts_as_periods_take() -> None:
    """After a period in which the prompt is read untimed, three periods of tokens: four bursts of 80 ms."""
    asked: list[Run] = []
    blocks, arm = limited(1.0, SECOND), Recorded(asked, SECOND)
    fitted = blocks.fit(arm.turn_s(blocks.first_look.run(arm)), 0.001)
    fitted.run(arm, number=1)
    assert SECOND.burst(asked[-1]) == TokenBlock(prompt=64 + 31, steps=1, tokens=32, lead_in_s=0.1)


@pytest.mark.parametrize(("pass_s", "passes"), [(0.001, 50), (0.04, 2), (0.05, 1), (3.0, 1)])
def test_blocks_of_passes_fill_their_usual_length(pass_s: float, passes: int) -> None:
    """As many passes over the samples as fill 50 ms, and at least one of a slow model, whatever the bound."""
    blocks = limited(None, ClosedLoop(data_dependent=True, sample_count=8))
    fitted = blocks.fit(pass_s, 0.001)
    assert (blocks.first_look, fitted.amount, fitted.fixed_length) == (blocks, passes, True)
    assert fitted.all_work == fitted


def test_the_arm_with_the_shortest_pass_decides_how_many_there_are() -> None:
    """All arms of a round run equally many."""
    blocks = limited(None, ClosedLoop(data_dependent=True, sample_count=8))
    assert blocks.fit(0.02, 1.0).fit(0.005, 1.0).fit(0.01, 1.0).amount == 10


def test_under_a_quota_passes_fill_whole_periods() -> None:
    """After a period that isn't timed, as many passes as take three."""
    blocks = limited(1.0, ClosedLoop(data_dependent=True, sample_count=8))
    fitted = blocks.fit(0.11, 1.0)
    assert (blocks.first_look.lead_in_s, fitted.lead_in_s, fitted.amount) == (0.1, 0.1, 3)


def test_at_a_rate_passes_fill_the_longer_blocks() -> None:
    """Four samples that arrive fifty times a second are a pass of 80 ms, of which seven fill half a second."""
    loop = OpenLoop(rate_per_s=50.0, data_dependent=True, sample_count=4)
    turn_s = loop.turn_s(Block(count=4, elapsed_s=9.0, latencies_s=(1.0,) * 4), in_flight=3)
    assert limited(None, loop).fit(turn_s, 1.0).amount == 7


def test_all_tokens_make_a_whole_block() -> None:
    """One config on its own is measured by whole generations; blocks of seconds stay as they are."""
    asked: list[Run] = []
    limited(None, SECOND).all_work.run(Recorded(asked, SECOND), number=5)
    assert [SECOND.burst(run) for run in asked] == [TokenBlock(prompt=64, tokens=64, first=True)]
    assert asked[0].amount == sys.maxsize
    assert BlockSettings(duration_s=0.3).all_work.duration_s == 0.3


def test_arms_that_take_turns_have_few_long_blocks() -> None:
    """A block is as long as a start, in any unit, and stands for a process: one of them for ten usual rounds."""
    usual = limited(None).taking_turns(2.0)
    assert (usual.duration_s, usual.fixed_length) == (2.0, True)
    assert [usual.rounds(rounds) for rounds in (10, 25, 100)] == [1, 3, 10]
    tokens = limited(None, SECOND).taking_turns(2.0)
    assert tokens.fit(turn_s=0.25, longest_s=1.0).amount == 8
