"""The exhaustive search: every config races equally often, in sweeps of fresh processes, and none is dropped.

What it leaves in the study is a table of the whole space: each trial holds the blocks of one process, and the
baseline has a block in each of its rounds.
"""

import random
from collections.abc import Sequence

from autotp.tuning.deadlines import judged_until
from autotp.tuning.events import SweepEnded
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.again import race_again
from autotp.tuning.stages.candidates import Candidates


def measure_all(session: Session, candidates: Candidates, baselines: Baselines, until: float) -> list[Racer]:
    """Race all `candidates` until the time `until`: each once, then each again in a new process, and so on.

    Returns:
        Those that didn't fail and keep the constraints, all stopped.

    Raises:
        EnvironmentFailure: the best of the `baselines` failed twice.
    """
    race = session.race
    for _ in candidates.racing(until):
        candidates.take_out(race.run(race.rounds_to_judge, candidates.deadline(until)))
        for racer in list(candidates.live):
            candidates.end(racer, dropped=False)
    sound, processes = list(candidates.ended), 1
    while sound:
        session.emit(SweepEnded(configs=len(sound), processes=processes))
        failed, is_whole = _sweep(session, sound, baselines, until)
        sound = [racer for racer in sound if racer not in failed]
        if not is_whole:
            break
        processes += 1
    return [racer for racer in sound if session.is_feasible(racer)]


def _sweep(
    session: Session, racers: Sequence[Racer], baselines: Baselines, until: float
) -> tuple[list[Racer], bool]:
    """Race each of `racers` again, in random order; return those that failed, and whether all had their turn."""
    rng = random.Random(f"{session.request.seed} {session.race.rounds}")
    left, failed = rng.sample(racers, len(racers)), list[Racer]()
    while left:
        most = min(session.bench.room, judged_until(session, baselines.all, until))
        if most <= 0:
            return failed, False
        group, left = left[:most], left[most:]
        failed += race_again(session, group, baselines, 1, until)
    return failed, True
