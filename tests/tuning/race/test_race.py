"""The race, on synthetic blocks: estimates, dropping, failures."""

from math import inf, log
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.findings.metric import METRICS, Metric
from autotp.measuring.failure import Status
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run
from autotp.space.aliases.effective import Effective
from autotp.space.knobs.config import Config
from autotp.tuning.race.estimate import Estimate
from autotp.tuning.race.race import ROUNDS_TO_JUDGE, ROUNDS_TO_SCREEN, Race, may_be_best
from autotp.tuning.race.racer import Racer
from autotp.tuning.study.study import Trial
from tests.support.pretended_arms import PLAIN, QUOTA, Pretended, block_of

OBSERVED = Observed(effective=Effective(), masks=None, proof=None, output_error=None, properties={})


def racer(key: str, arm: Arm) -> Racer:
    """A racer without config, observations and processes."""
    return Racer(key, Config(), OBSERVED, arm, Trial(0), {})


def race_of(
    arms: dict[str, Arm], *metrics: Metric, blocks: BlockSettings = PLAIN
) -> tuple[Race, dict[str, Racer]]:
    """A race whose first arm is the baseline."""
    race = Race(metrics or (METRICS["throughput"],), 0, blocks, longest_block_s=1.0)
    racers = {key: racer(key, arm) for key, arm in arms.items()}
    for one in racers.values():
        race.enter(one)
    race.choose_baseline(next(iter(racers.values())))
    return race, racers


def test_an_estimate_is_the_median_of_paired_log_ratios() -> None:
    """Twice the rate in every round is log 2 with no error; the baseline's own gain is 0."""
    race, racers = race_of({"baseline": Pretended(0.02), "fast": Pretended(0.01)})
    race.run(5, inf)
    estimate = race.estimate(racers["fast"])
    assert estimate.log_gain == pytest.approx(log(2))
    assert estimate.interval.median == pytest.approx(2)
    assert race.estimate(racers["baseline"]).log_gain == 0.0


def test_latency_gains_are_above_one_where_it_is_lower() -> None:
    """For a latency objective half the latency is log 2, too."""
    race, racers = race_of({"baseline": Pretended(0.02), "fast": Pretended(0.01)}, METRICS["latency_p50"])
    race.run(5, inf)
    assert race.estimate(racers["fast"]).log_gain == pytest.approx(log(2))


def test_a_quantiles_gain_is_that_of_all_latencies() -> None:
    """Where each block holds one slow inference in eight, p90 is the slow one's, though a block's own is lower."""

    class Stopped(Pretended):
        def block(self, run: Run) -> Block:
            return Block(count=8, elapsed_s=0.1, latencies_s=(0.006,) * 7 + (0.056,), memory_bytes=1)

    race, racers = race_of({"baseline": Pretended(0.01), "stopped": Stopped(0.006)}, METRICS["latency_p90"])
    race.run(10, inf)
    assert race.metrics(racers["stopped"])["latency_p90_s"] == pytest.approx(0.056)
    assert race.beaten(racers["stopped"], [*racers.values()])


def test_only_rounds_that_both_took_part_in_count() -> None:
    """An arm that enters late is paired with the baseline's blocks of its own rounds."""
    race, racers = race_of({"baseline": Pretended(0.02)})
    race.run(4, inf)
    late = racer("late", Pretended(0.04))
    race.enter(late)
    race.run(3, inf)
    assert list(late.blocks) == [4, 5, 6]
    assert len(racers["baseline"].blocks) == race.rounds == 7
    assert race.estimate(late).log_gain == pytest.approx(-log(2))


def test_an_arm_provably_behind_is_beaten() -> None:
    """10 % behind with 2 % noise is beaten, once there are rounds enough to judge; the leader never is."""
    race, racers = race_of({"baseline": Pretended(0.01, 0.02), "slow": Pretended(0.011, 0.02)})
    leaders = list(racers.values())
    race.run(ROUNDS_TO_JUDGE - 1, inf)
    assert not race.beaten(racers["slow"], leaders)
    race.run(25, inf)
    assert race.beaten(racers["slow"], leaders)
    assert not race.beaten(racers["baseline"], leaders)


def test_an_arm_far_behind_is_dropped_after_three_rounds() -> None:
    """Half as fast is clearly behind; equal, slightly slower, a single round, or enough rounds to judge isn't."""
    arms = {"baseline": 0.01, "half": 0.02, "tenth slower": 0.011, "equal": 0.01}
    race, racers = race_of({key: Pretended(latency_s, 0.01) for key, latency_s in arms.items()})
    race.run(1, inf)
    assert not any(race.clearly_behind(one) for one in racers.values())
    race.run(ROUNDS_TO_SCREEN - 1, inf)
    assert [key for key, one in racers.items() if race.clearly_behind(one)] == ["half"]
    race.run(ROUNDS_TO_JUDGE - ROUNDS_TO_SCREEN, inf)
    assert not race.clearly_behind(racers["half"])
    assert race.beaten(racers["half"], [*racers.values()])


def test_noise_alone_puts_nothing_clearly_behind() -> None:
    """Where blocks differ by a fifth, none of 300 equal arms is found far behind."""
    found = 0
    for number in range(100):
        arms = {key: Pretended(0.01 + 1e-9 * (3 * number + place), 0.2) for place, key in enumerate("abc")}
        race, racers = race_of({"baseline": Pretended(0.01 - 1e-9 * number, 0.2), **arms})
        race.run(ROUNDS_TO_SCREEN, inf)
        found += sum(race.clearly_behind(one) for one in racers.values())
    assert found == 0


def test_equals_are_not_dropped() -> None:
    """Arms of the same speed beat each other in hardly any of 40 races of 30 rounds."""
    beaten = 0
    for index in range(40):
        race, racers = race_of(
            {
                "baseline": Pretended(0.01 + 2e-9 * index, 0.05),
                "twin": Pretended(0.01 + 1e-9 * (2 * index + 1), 0.05),
            }
        )
        race.run(30, inf)
        beaten += race.beaten(racers["twin"], list(racers.values()))
    assert beaten <= 1


def test_arms_of_the_same_rounds_are_paired_with_each_other() -> None:
    """Noise that two arms share and the baseline doesn't have cancels between them."""

    class Shared(Pretended):
        def block(self, run: Run) -> Block:
            self.durations_s.append(run.duration_s)
            return block_of(self._latency_s * (1.0 + 0.5 * (len(self.durations_s) % 3)))

    race, racers = race_of({"baseline": Pretended(0.01), "ahead": Shared(0.010), "behind": Shared(0.0102)})
    race.run(12, inf)
    between = race.gain(racers["behind"], racers["ahead"])
    assert between.log_gain == pytest.approx(-log(1.02))
    assert between.error < 1e-9 < race.estimate(racers["behind"]).error
    assert race.beaten(racers["behind"], [racers["ahead"]])


def test_arms_of_other_rounds_are_compared_by_way_of_the_baseline() -> None:
    """Without common rounds the gain is the difference of the estimates, and the errors add up."""
    race, racers = race_of({"baseline": Pretended(0.01, 0.01), "early": Pretended(0.008, 0.01)})
    race.run(12, inf)
    race.leave(racers["early"])
    late = racer("late", Pretended(0.009, 0.01))
    race.enter(late)
    race.run(12, inf)
    between, early, own = race.gain(late, racers["early"]), race.estimate(racers["early"]), race.estimate(late)
    assert between.log_gain == own.log_gain - early.log_gain
    assert between.error > max(own.error, early.error)
    assert between.rounds == 12


def test_more_leaders_ask_for_more() -> None:
    """The chance of a wrong drop is divided: among many leaders none drops an arm that a single one would."""
    race, racers = race_of({"baseline": Pretended(0.01, 0.01), "behind": Pretended(0.01018, 0.01)})
    race.run(ROUNDS_TO_JUDGE, inf)
    behind = racers["behind"]
    crowd = [racer(f"leader {number}", Pretended(0.01)) for number in range(1000)]
    for leader in crowd:
        leader.blocks |= racers["baseline"].blocks
    assert race.beaten(behind, [racers["baseline"]])
    assert not race.beaten(behind, crowd)


def test_what_is_unlikely_to_be_the_best_is_behind_before_it_is_beaten() -> None:
    """A few percent behind is enough to stop racing an arm, not to drop it."""
    race, racers = race_of({"baseline": Pretended(0.01, 0.01), "behind": Pretended(0.0103, 0.01)})
    leaders = list(racers.values())
    race.run(ROUNDS_TO_JUDGE, inf)
    assert race.behind(racers["behind"], leaders)
    assert not race.beaten(racers["behind"], leaders)
    assert not race.behind(racers["baseline"], leaders)


def test_those_not_behind_the_leader_may_be_the_best() -> None:
    """The best comes first, equal arms stay, and what is clearly behind is out."""
    race, racers = race_of(
        {"baseline": Pretended(0.01, 0.02), "best": Pretended(0.008, 0.02), "slow": Pretended(0.009, 0.02)}
    )
    race.run(30, inf)
    assert may_be_best(race, list(racers.values())) == [racers["best"]]
    assert may_be_best(race, [racers["slow"]]) == [racers["slow"]]
    assert may_be_best(race, []) == []


def test_with_two_objectives_an_arm_must_be_behind_in_both() -> None:
    """Half the throughput at half the latency isn't beaten."""

    class Sprinter(Pretended):
        def block(self, run: Run) -> Block:
            return Block(count=10, elapsed_s=0.4, latencies_s=(0.005,) * 10, memory_bytes=1)

    arms: dict[str, Arm] = {"baseline": Pretended(0.01), "sprinter": Sprinter(0.01)}
    race, racers = race_of(arms, METRICS["throughput"], METRICS["latency_p50"])
    race.run(10, inf)
    assert not race.beaten(racers["sprinter"], list(racers.values()))


def test_a_failed_arm_is_out_and_says_why() -> None:
    """An arm that fails in a round is stopped and returned with its failure; the others go on."""
    race, racers = race_of({"baseline": Pretended(0.01), "frail": Pretended(0.01, fails_at=2)})
    (failed,) = race.run(5, inf)
    assert failed is racers["frail"]
    assert failed.failure is not None
    assert failed.failure.status is Status.CRASHED
    assert "frail" not in race.live
    assert (len(failed.blocks), len(racers["baseline"].blocks)) == (2, 5)


def test_the_time_ends_a_run() -> None:
    """No round starts after the time is over."""
    race, racers = race_of({"baseline": Pretended(0.01)})
    assert race.run(5, monotonic() - 1.0) == []
    assert racers["baseline"].blocks == {}


def test_leaving_stops_the_arm_and_keeps_its_blocks() -> None:
    """An arm that left has no processes, but still its estimate."""
    arm = Pretended(0.01)
    race, racers = race_of({"baseline": Pretended(0.02), "gone": arm})
    race.run(3, inf)
    race.leave(racers["gone"])
    assert arm.stopped
    assert race.estimate(racers["gone"]).log_gain == pytest.approx(log(2))


def test_blocks_hold_four_turns_of_the_slowest_arm() -> None:
    """The block length follows the slowest arm, is the same for all, and never below 50 ms."""
    slow, fast = Pretended(0.1), Pretended(0.0001)
    race, _ = race_of({"baseline": fast, "slow": slow})
    assert race.fit_blocks() == []
    assert race.blocks.duration_s == pytest.approx(0.4)
    race.run(1, inf)
    assert fast.durations_s == slow.durations_s == [0.0, race.blocks.duration_s]
    quick, _ = race_of({"baseline": Pretended(0.0001)})
    quick.fit_blocks()
    assert quick.blocks == PLAIN


def test_an_arm_that_fails_at_once_is_out_before_the_first_round() -> None:
    """A failure while the block length is fitted is returned like any other."""
    race, racers = race_of({"baseline": Pretended(0.01), "frail": Pretended(0.01, fails_at=0)})
    assert race.fit_blocks() == [racers["frail"]]
    assert list(race.live) == ["baseline"]


def test_a_blocks_real_length_is_known() -> None:
    """Blocks of 0.1 s and of 0.3 s take 0.2 s on average, whatever length was set."""
    race, racers = race_of({"baseline": Pretended(0.01), "slow": Pretended(0.03)})
    race.run(4, inf)
    assert race.seconds_a_block(racers.values()) == pytest.approx(0.2)


def test_blocks_are_foreseen_at_the_length_that_they_have_now() -> None:
    """After a change of length only later blocks show how long one takes; until there is one, earlier ones do."""
    race, racers = race_of({"baseline": Pretended(0.005), "other": Pretended(0.005)})
    race.run(4, inf)
    race.set_block_length(0.1)
    assert race.seconds_a_block(racers.values()) == pytest.approx(0.1)
    assert race.samples_a_block(racers.values()) == 20
    racers["late"] = racer("late", Pretended(0.02))
    race.enter(racers["late"])
    race.run(1, inf)
    assert race.seconds_a_block(racers.values()) == pytest.approx((0.05 + 0.05 + 0.2) / 3)
    assert race.samples_a_block(racers.values()) == 10


def test_no_round_runs_without_the_baseline() -> None:
    """If the baseline fails, the rounds end, as nothing could be compared."""
    race, racers = race_of({"baseline": Pretended(0.01, fails_at=3), "other": Pretended(0.01)})
    assert race.run(10, inf) == [racers["baseline"]]
    assert race.rounds == 4


def test_under_a_quota_a_latency_is_fitted_over_whole_periods() -> None:
    """Blocks are fitted to the mean of a whole one, as one inference may be stopped midway."""
    arm = Pretended(0.11)
    race, _ = race_of({"baseline": arm}, blocks=QUOTA)
    race.fit_blocks()
    race.run(1, inf)
    assert arm.durations_s == pytest.approx([0.3, 0.5])


def test_under_a_quota_fewer_rounds_decide() -> None:
    """Six rounds of six times the usual length are enough to drop an arm, not five; twelve settle it."""
    race, racers = race_of({"baseline": Pretended(0.01), "slow": Pretended(0.02)}, blocks=QUOTA)
    assert (race.rounds_to_judge, race.rounds_to_settle) == (6, 12)
    race.run(race.rounds_to_judge - 1, inf)
    assert not race.beaten(racers["slow"], [*racers.values()])
    race.run(1, inf)
    assert race.beaten(racers["slow"], [*racers.values()])


def test_an_objectives_value_is_the_baselines_times_the_paired_gain() -> None:
    """An arm raced only in a slow phase gets the value that the baseline's pooled figure implies."""

    class Drifting(Pretended):
        def block(self, run: Run) -> Block:
            self.durations_s.append(run.duration_s)
            return block_of(self._latency_s * (4.0 if len(self.durations_s) > 4 else 1.0))

    race, _ = race_of({"baseline": Drifting(0.01)})
    race.run(4, inf)
    late = racer("late", Pretended(0.02))  # twice the speed of the baseline in its slow phase
    race.enter(late)
    race.run(2, inf)
    assert race.metrics(late)["throughput_per_s"] == pytest.approx(2 * 100.0)
    assert race.metrics(race.baseline)["throughput_per_s"] == pytest.approx(100.0)


@given(st.lists(st.floats(-2, 2), max_size=12))
def test_an_estimate_of_few_rounds_knows_nothing(log_gains: list[float]) -> None:
    """With fewer than two rounds the error is infinite and nothing is behind; the median lies in its interval."""
    estimate = Estimate.of(log_gains)
    interval = estimate.interval
    assert interval.low <= interval.median <= interval.high < inf
    if len(log_gains) < 2:
        assert estimate.error == inf
        assert not estimate.below(10.0, 0.95)
