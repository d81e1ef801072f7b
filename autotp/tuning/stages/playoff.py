"""The play-off: where the search ends with time left, contenders that may all be the best race again.

A search sees each candidate in one process and for few rounds, and the finals have room for few: without more
rounds, luck would choose who goes. So those with the fewest rounds race again in new processes, and whoever turns
out to be behind races no more (successive elimination: Even-Dar, Mannor and Mansour, "Action elimination and
stopping conditions", JMLR 7, 2006).
"""

from collections.abc import Sequence

from autotp.measuring.failure import ArmFailure
from autotp.tuning.events import PlayOffBegan
from autotp.tuning.race.race import LOOKS, may_be_best
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import keep_baselines
from autotp.tuning.stages.finals import MAX_FINALISTS
from autotp.tuning.stages.search import SIDE_BY_SIDE
from autotp.tuning.study.study import Role, Trial


def play_off(session: Session, contenders: Sequence[Racer], baselines: Baselines, until: float) -> list[Racer]:
    """Race `contenders` again until the time `until`, or until all that may be the best fit into the finals.

    Returns:
        Those that didn't fail, all stopped.

    Raises:
        EnvironmentFailure: the best of the `baselines` failed for good.
    """
    sound, is_announced = list(contenders), False
    while session.budget.now() < until and session.bench.room > 0:
        close = may_be_best(session.race, session.keeping(sound))
        if len(close) <= MAX_FINALISTS:
            break
        if not is_announced:
            session.emit(PlayOffBegan(candidates=tuple(racer.config.to_dict() for racer in close)))
            is_announced = True
        fewest = sorted(close, key=lambda racer: len(racer.blocks))
        failed = _race_again(session, fewest[: min(SIDE_BY_SIDE, session.bench.room)], baselines, until)
        sound = [racer for racer in sound if racer not in failed]
    return sound


def _race_again(session: Session, racers: list[Racer], baselines: Baselines, until: float) -> list[Racer]:
    """Let `racers` race in new processes, each in a trial of its own; return those that failed."""
    race, study, since = session.race, session.study, session.race.rounds
    trials: dict[str, Trial] = {}
    outcomes = session.bench.start([racer.config for racer in racers])
    for racer, (arm, outcome) in zip(racers, outcomes, strict=True):
        trials[racer.key] = study.begin(Role.SEARCH, racer.config)
        if isinstance(outcome, ArmFailure):
            racer.failure = outcome
        else:
            racer.arm = arm
            race.enter(racer)
    for _ in range(LOOKS):
        keep_baselines(session, baselines, race.run(race.rounds_to_judge, until))
        study.beat()
    for racer in racers:
        _end(session, racer, trials[racer.key], since)
    return [racer for racer in racers if racer.failure is not None]


def _end(session: Session, racer: Racer, trial: Trial, since: int) -> None:
    """Stop `racer` and record what it did in `trial` since round number `since`."""
    session.race.leave(racer)
    rows = [(0, round_, block) for round_, block in racer.blocks.items() if round_ >= since]
    if racer.failure is not None:
        session.fail(trial, racer.config, racer.failure)
    elif rows:  # else it started as the time ran out; the study abandons its trial
        session.study.describe_observed(trial, racer.observed)
        session.complete(trial, racer, rows)
