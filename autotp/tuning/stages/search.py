"""The search: a few candidates at a time race against the baseline; survivors are those that weren't dropped."""

from autotp.tuning.events import ChanceLeft
from autotp.tuning.race.race import ROUNDS_TO_SCREEN
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.candidates import Candidates

SMALL_CHANCE = 0.05


def search(
    session: Session, candidates: Candidates, baselines: Baselines, smallest_gain: float, until: float
) -> None:
    """Race `candidates` until the time `until`, the requested number of trials, or until the space is tried.

    It ends early when it is unlikely that anything not measured yet is better than the best by `smallest_gain`,
    the smallest ratio that the finals could prove.

    Raises:
        EnvironmentFailure: the best of `baselines` failed twice.
    """
    for _ in candidates.racing(until):
        candidates.take_out(_race(session, candidates, until))
        settled = _judge(session, candidates, baselines) and _is_settled(
            session, candidates, baselines, smallest_gain
        )
        if settled:
            break
    for racer in list(candidates.live):
        candidates.end(racer, dropped=False)
    judged = [racer for racer in candidates.survivors if len(racer.blocks) >= session.race.rounds_to_judge]
    candidates.survivors = judged or candidates.survivors  # ranking arms by a round or two would be chance


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
    ahead = (*baselines.sound, *candidates.survivors, *measured)
    leaders = [racer for racer in ahead if session.is_feasible(racer)]
    for racer in list(candidates.live):
        if race.beaten(racer, leaders):
            candidates.end(racer, dropped=True)
        elif len(racer.blocks) >= race.rounds_to_settle:
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
