"""Noise, before anything is compared: the best baseline runs against itself in new processes (A/A)."""

from functools import partial

from autotp.measuring.failure import ArmFailure
from autotp.measuring.rounds import noise
from autotp.tuning.events import NoiseMeasured
from autotp.tuning.race.racer import Racer
from autotp.tuning.session import Session

NOISE_SHARE = 0.04  # of the budget, beyond the starts
MOST_NOISE_SHARE = 0.1  # with the starts


def measure_noise(session: Session, best: Racer) -> None:
    """Run the best baseline against itself, take the block length that serves best, and say what can be proved.

    Where there is no time or memory for that, or it fails, blocks stay as long as they are: the finals run the
    baseline against itself, too.
    """
    deadline = min(session.budget.now() + MOST_NOISE_SHARE * session.request.budget_s, session.budget.at(0.4))
    block_s = session.race.seconds_a_block([best])
    if session.budget.now() + noise.least_seconds(session.bench.arm_start_s, block_s) > deadline:
        session.emit(
            NoiseMeasured(reason="running the best baseline against itself would take too much of the budget")
        )
    elif session.bench.room < 2:
        session.emit(NoiseMeasured(reason="the memory that is left doesn't hold the best baseline twice more"))
    else:
        try:
            found = _pairs(session, best, deadline)
        except ArmFailure as failure:
            session.emit(NoiseMeasured(reason=f"the best baseline failed in new processes ({failure})"))
        else:
            session.race.set_block_length(found.block_s)
            session.study.note(noise=found)
            session.emit(NoiseMeasured(noise=found, by_count=session.race.blocks.by_count))


def _pairs(session: Session, best: Racer, deadline: float) -> noise.Noise:
    request, race = session.request, session.race
    return noise.measure_noise(
        partial(session.bench.arm, best.config, checked=False),
        request.objective,
        race.blocks,
        NOISE_SHARE * request.budget_s,
        request.seed,
        session.budget.now,
        deadline=deadline,
        repeats=race.repeats,
    )
