"""The play-off: if the search ends early, survivors that may all be the best race again.

The search measures each candidate in one process and for few rounds, and the finals have room for few of them.
Without more rounds, chance would choose the finalists. So those with the fewest rounds race again in new
processes, and those that turn out to be behind are dropped (successive elimination: Even-Dar, Mannor and Mansour,
"Action elimination and stopping conditions", JMLR 7, 2006).
"""

from collections.abc import Sequence

from autotp.tuning.deadlines import judged_until
from autotp.tuning.events import PlayOffBegan
from autotp.tuning.race.race import LOOKS, may_be_best
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.again import race_again
from autotp.tuning.stages.finals import MAX_FINALISTS


def play_off(session: Session, survivors: Sequence[Racer], baselines: Baselines, until: float) -> list[Racer]:
    """Race `survivors` again until the time `until`, or until those that may be the best fit into the finals.

    Returns:
        The survivors that didn't fail, all stopped.

    Raises:
        EnvironmentFailure: the best of the `baselines` failed twice.
    """
    sound, is_announced = list(survivors), False
    while (most := min(session.bench.room, judged_until(session, baselines.all, until))) > 0:
        close = may_be_best(session.race, session.feasible_or_all(sound))
        if len(close) <= MAX_FINALISTS:
            break
        if not is_announced:
            session.emit(PlayOffBegan(candidates=tuple(racer.config.to_dict() for racer in close)))
            is_announced = True
        fewest = sorted(close, key=lambda racer: len(racer.blocks))
        failed = race_again(session, fewest[:most], baselines, LOOKS, until)
        sound = [racer for racer in sound if racer not in failed]
    return sound
