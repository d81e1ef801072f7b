"""The play-off: if the search ends early, survivors that may all be the best race again.

The search measures each candidate in one process and for few rounds, and the finals have room for few of them.
Without more rounds, chance would choose the finalists. So those with the fewest rounds race again in new
processes, and those that turn out to be behind are dropped (successive elimination: Even-Dar, Mannor and Mansour,
"Action elimination and stopping conditions", JMLR 7, 2006).
"""

from collections.abc import Sequence

from autotp.measuring.failure import ArmFailure
from autotp.tuning.deadlines import judged_until
from autotp.tuning.events import PlayOffBegan
from autotp.tuning.race.race import LOOKS, may_be_best
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import keep_baselines
from autotp.tuning.stages.finals import MAX_FINALISTS
from autotp.tuning.study.study import Role, Trial


def play_off(session: Session, survivors: Sequence[Racer], baselines: Baselines, until: float) -> list[Racer]:
    """Race `survivors` again until the time `until`, or until those that may be the best fit into the finals.

    Returns:
        The survivors that didn't fail, all stopped.

    Raises:
        EnvironmentFailure: the best of the `baselines` failed twice.
    """
    sound, is_announced = list(survivors), False
    while (most := min(session.bench.room, judged_until(session, baselines.sound, until))) > 0:
        close = may_be_best(session.race, session.feasible_or_all(sound))
        if len(close) <= MAX_FINALISTS:
            break
        if not is_announced:
            session.emit(PlayOffBegan(candidates=tuple(racer.config.to_dict() for racer in close)))
            is_announced = True
        fewest = sorted(close, key=lambda racer: len(racer.blocks))
        failed = _race_again(session, fewest[:most], baselines, until)
        sound = [racer for racer in sound if racer not in failed]
    return sound


def _race_again(session: Session, racers: list[Racer], baselines: Baselines, until: float) -> list[Racer]:
    """Race `racers` in new processes, each with a new trial; return those that failed."""
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
        study.heartbeat()
    for racer in racers:
        _end(session, racer, trials[racer.key], since)
    return [racer for racer in racers if racer.failure is not None]


def _end(session: Session, racer: Racer, trial: Trial, since: int) -> None:
    """Stop `racer` and record in `trial` its blocks since round number `since`."""
    session.race.leave(racer)
    rows = [(0, round_, block) for round_, block in racer.blocks.items() if round_ >= since]
    if racer.failure is not None:
        session.fail(trial, racer.config, racer.failure)
    elif rows:  # otherwise the time ran out as it started; the trial is abandoned at the end
        session.study.describe_observed(trial, racer.observed)
        session.complete(trial, racer, rows)
