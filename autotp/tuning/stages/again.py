"""Racing again: arms that were raced before are measured in new processes, each with a trial of its own."""

from collections.abc import Sequence

from autotp.measuring.failure import ArmFailure
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import keep_baseline
from autotp.tuning.study.study import Role, Trial


def race_again(
    session: Session, racers: Sequence[Racer], baselines: Baselines, looks: int, until: float
) -> list[Racer]:
    """Race `racers`, which are stopped, for so many looks or until the time `until`; then stop them again.

    Returns:
        Those that failed.

    Raises:
        EnvironmentFailure: the best of the `baselines` failed twice.
    """
    race, study, since = session.race, session.study, session.race.rounds
    trials: dict[str, Trial] = {}
    outcomes = session.bench.start([racer.config for racer in racers])
    for racer, (arm, outcome) in zip(racers, outcomes, strict=True):
        trials[racer.key] = study.begin(Role.SEARCH, racer.config)
        if isinstance(outcome, ArmFailure):
            racer.failure = outcome
        else:
            racer.arm, racer.observed = arm, outcome
            race.enter(racer)
    for _ in range(looks):
        keep_baseline(session, baselines.best, race.run(race.rounds_to_judge, until))
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
