"""The search: a few candidates at a time race against the baseline; survivors are those that weren't dropped."""

from math import log

from autotp.tuning.deadlines import SearchEnd
from autotp.tuning.events import ChanceLeft
from autotp.tuning.race.race import ROUNDS_TO_SCREEN
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.candidates import Candidates

SMALL_CHANCE = 0.05
FAR_AHEAD = 3.0  # times the smallest log-gain that could be proven


def search(
    session: Session, candidates: Candidates, baselines: Baselines, smallest_gain: float, end: SearchEnd
) -> float:
    """Race `candidates` until the time is over, the requested number of trials, or until the space is tried.

    It ends early when it is unlikely that anything not measured yet is better than the best by `smallest_gain`,
    the smallest ratio that the finals could prove.

    Returns:
        When it had to end at the latest, now that it is known how far ahead the best candidate is.

    Raises:
        EnvironmentFailure: the best of `baselines` failed twice.
    """
    until = end.usual
    if not _search(session, candidates, baselines, smallest_gain, until) and _is_far_ahead(
        session, candidates, smallest_gain
    ):
        until = end.latest
        _search(session, candidates, baselines, smallest_gain, until)
    for racer in list(candidates.live):
        candidates.end(racer, dropped=False)
    judged = [racer for racer in candidates.survivors if len(racer.blocks) >= session.race.rounds_to_judge]
    candidates.survivors = judged or candidates.survivors  # ranking arms by a round or two would be chance
    return until


def _search(
    session: Session, candidates: Candidates, baselines: Baselines, smallest_gain: float, until: float
) -> bool:
    """Race `candidates` until the time `until`; return whether it is unlikely that anything better is left."""
    for _ in candidates.racing(until):
        candidates.take_out(_race(session, candidates, until))
        if _judge(session, candidates, baselines) and _is_settled(session, candidates, baselines, smallest_gain):
            return True
    return False


def _is_far_ahead(session: Session, candidates: Candidates, smallest_gain: float) -> bool:
    """Whether the best candidate is so far ahead of the baseline that short finals will prove it."""
    race = session.race
    best = max((race.estimate(racer).log_gain for racer in candidates.survivors), default=0.0)
    return best > FAR_AHEAD * log(smallest_gain)


def _race(session: Session, candidates: Candidates, until: float) -> list[Racer]:
    """Run rounds up to the next look, dropping early what is clearly behind; return the racers that failed."""
    race = session.race
    failed = race.run(ROUNDS_TO_SCREEN, candidates.deadline(until))
    for racer in list(candidates.live):
        if racer not in failed and race.clearly_behind(racer):
            candidates.end(racer, dropped=True)
    if candidates.live and race.baseline not in failed:
        failed += race.run(race.rounds_to_judge - ROUNDS_TO_SCREEN, until)
    return failed


def _judge(session: Session, candidates: Candidates, baselines: Baselines) -> bool:
    """End the candidates that are beaten or have been raced enough; return whether there are any."""
    race = session.race
    measured = (racer for racer in candidates.live if len(racer.blocks) >= race.rounds_to_judge)
    before = candidates.measured
    ahead = (*baselines.all, *candidates.survivors, *measured)
    leaders = [racer for racer in ahead if session.is_feasible(racer)]
    for racer in list(candidates.live):
        if race.beaten(racer, leaders):
            candidates.end(racer, dropped=True)
        elif len(racer.blocks) >= race.rounds_to_settle or race.behind(racer, leaders):
            candidates.end(racer, dropped=False)
    return candidates.measured > before


def _is_settled(session: Session, candidates: Candidates, baselines: Baselines, smallest_gain: float) -> bool:
    """Whether it is unlikely that anything better is left; report how likely it is."""
    if not candidates.first_are_tried:
        return False
    beside = session.race.metrics(baselines.best)[session.request.objective.key]
    chance = session.study.chance_of_better(smallest_gain, beside)
    if chance is None:
        return False
    session.emit(ChanceLeft(chance=chance, smallest_gain=smallest_gain, measured=candidates.measured))
    return chance < SMALL_CHANCE
