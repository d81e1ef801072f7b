"""When each stage must end: the finals decide, so the other stages leave them the time that a verdict needs.

How long starts and blocks take is known once the baselines have run, or from a first look where starts take long.
A budget that can't hold a verdict is reported then, with the shortest one that can.
"""

from collections.abc import Sequence
from math import ceil

import msgspec

from autotp.findings.metric import Metric
from autotp.measuring.jobs.bench import FirstLook
from autotp.measuring.rounds.waves import SPARE_TIME, RoundCounts, seconds_needed
from autotp.measuring.samples.metrics import samples_of
from autotp.tuning.events import BudgetTooShort
from autotp.tuning.race.race import Race
from autotp.tuning.race.racer import Racer
from autotp.tuning.session import Session

SEARCH_SHARE = 0.55  # of the budget at most; the finals get the rest
HOPELESS = 1.5  # times the time left: finals that are estimated to take longer won't be done
ARMS_AT_ONCE = 3  # candidates that run side by side in the search and the play-off
LONG_WAIT_S = 5.0
USUAL_BASELINES = 2  # as two of OpenVINO's hints are mostly one arm
LATER_BLOCKS = 1.4  # times a hint's first block, which needn't read its context anew; the other hint may be slower
LEAST_SEARCH_SHARE = 0.3  # of the budget left after the baselines, if the finals can do with the rest


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """How many seconds the rest of a tuning takes.

    Attributes:
        rounds_s: the best baseline's blocks in the rounds after which candidates can be judged.
        candidate_s: a candidate's start, and its blocks in these rounds.
        finals_s: finals with one candidate that are just long enough for a verdict.
        good_finals_s: the same with enough rounds for a narrow interval.
    """

    rounds_s: float
    candidate_s: float
    finals_s: float
    good_finals_s: float

    def search_s(self, candidates: int = 1) -> float:
        """The search of so many candidates, as many as may run side by side."""
        return ceil(candidates / ARMS_AT_ONCE) * self.rounds_s + candidates * self.candidate_s


def needs(session: Session, baselines: Sequence[Racer]) -> Needs:
    """Return what a tuning against `baselines` needs, which must have run a block."""
    race = session.race
    wanted = rounds_wanted(race, session.request.objective, baselines)
    return _needs(len(baselines), session.bench.arm_start_s, race.seconds_a_block(baselines), race, wanted)


def _needs(baselines: int, start_s: float, block_s: float, race: Race, wanted: RoundCounts) -> Needs:
    arms = baselines + 2  # with a candidate and the second process of the best baseline
    return Needs(
        rounds_s=race.rounds_to_judge * block_s,
        candidate_s=start_s + race.rounds_to_judge * block_s,
        finals_s=seconds_needed(arms, start_s, block_s, wanted.fewest),
        good_finals_s=seconds_needed(arms, start_s, block_s, wanted.enough),
    )


def rounds_wanted(race: Race, objective: Metric, racers: Sequence[Racer]) -> RoundCounts:
    """Return how many rounds each process of `racers` should run for enough samples of `objective`."""
    return RoundCounts.of(race.blocks).enough_for(objective, race.samples_a_block(racers))


def before_search(session: Session, baselines: Sequence[Racer]) -> float:
    """Return when the search must begin at the latest to leave time for one candidate and for the finals."""
    needed = needs(session, baselines)
    return session.budget.at(1.0) - needed.finals_s - needed.search_s()


def judged_until(session: Session, baselines: Sequence[Racer], until: float) -> int:
    """Return how many candidates, of those that run side by side, can be started and judged until `until`.

    If the finals can't be done in any case, nothing is lost by starting as many as can run side by side.
    """
    needed, left_s = needs(session, baselines), until - session.budget.now()
    if _is_hopeless(session, needed):
        return ARMS_AT_ONCE if left_s > 0 else 0
    return max(0, int(min(ARMS_AT_ONCE, (left_s - needed.rounds_s) / needed.candidate_s)))


class SearchEnd(msgspec.Struct, frozen=True):
    """When the search must end.

    Attributes:
        usual: it leaves the finals the time for a narrow interval.
        latest: if a short comparison is going to decide, as the best candidate is far ahead.
    """

    usual: float
    latest: float


def search_end(session: Session, baselines: Sequence[Racer]) -> SearchEnd:
    """Return when the search must end.

    It gets a share of the budget (all of it if it is exhaustive), or less if the finals need more, but enough for
    one candidate. If the finals can't be done in any case, the search keeps its share: a later call can resume
    from what it finds.
    """
    needed, budget = needs(session, baselines), session.budget
    now, end = budget.now(), budget.at(1.0)
    most = end if session.request.exhaustive else budget.at(SEARCH_SHARE)
    usual = max(now + LEAST_SEARCH_SHARE * (end - now), min(most, end - needed.good_finals_s))
    if not _is_hopeless(session, needed):
        usual = max(now + needed.search_s(), min(usual, end - needed.finals_s))
    usual = min(end, usual)
    return SearchEnd(usual, max(usual, min(most, end - SPARE_TIME * needed.finals_s)))


def _is_hopeless(session: Session, needed: Needs) -> bool:
    return needed.finals_s > HOPELESS * (session.budget.at(1.0) - session.budget.now())


def shortest_budget_s(
    session: Session, baselines: Sequence[Racer], candidates: int = 1, opening_s: float = 0.0
) -> float:
    """Return about the shortest budget for what is done so far, so many `candidates`, and a verdict.

    `opening_s` is how long the baselines will still race among themselves before.
    """
    return _shortest_s(session, needs(session, baselines), candidates, opening_s)


def _shortest_s(session: Session, needed: Needs, candidates: int, opening_s: float) -> float:
    return session.budget.elapsed_s() + SPARE_TIME * (opening_s + needed.search_s(candidates) + needed.finals_s)


def check_first_look(session: Session, look: FirstLook, check_s: float, candidates: int) -> None:
    """Do `check_budget` before the baselines are started, from a `look` at one of them.

    `check_s` is about how long it takes to compare a baseline's outputs.
    """
    block_s, metric = LATER_BLOCKS * (look.block.elapsed_s + look.block.untimed_s), session.request.objective
    wanted = RoundCounts.of(session.race.blocks).enough_for(metric, len(samples_of(metric, look.block)))
    needed = _needs(USUAL_BASELINES, look.start_s, block_s, session.race, wanted)
    opening_s = USUAL_BASELINES * (look.start_s + check_s + needed.rounds_s)
    _report(session, _shortest_s(session, needed, candidates, opening_s), look.start_s, block_s)


def check_early(session: Session, baselines: Sequence[Racer], candidates: int) -> None:
    """Do `check_budget` for `baselines` that have run a block, if people would wait long for them to be raced."""
    opening_s = needs(session, baselines).rounds_s * len(baselines)
    if opening_s > LONG_WAIT_S:
        check_budget(session, baselines, candidates, opening_s)


def check_budget(
    session: Session, baselines: Sequence[Racer], candidates: int = 1, opening_s: float = 0.0
) -> None:
    """Report, once, a budget that is shorter than `shortest_budget_s`, whose arguments this takes."""
    shortest_s = shortest_budget_s(session, baselines, candidates, opening_s)
    _report(session, shortest_s, session.bench.arm_start_s, session.race.seconds_a_block(baselines))


def _report(session: Session, shortest_s: float, start_s: float, block_s: float) -> None:
    budget_s = session.budget.total_s
    if shortest_s <= SPARE_TIME * budget_s or session.told_of_budget:
        return
    session.told_of_budget = True
    session.emit(BudgetTooShort(budget_s=budget_s, shortest_s=shortest_s, start_s=start_s, block_s=block_s))
