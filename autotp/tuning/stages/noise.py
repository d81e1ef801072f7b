"""The stage that measures noise: the best baseline runs against itself in new processes (A/A)."""

from functools import partial

from autotp.measuring.failure import ArmFailure
from autotp.measuring.rounds import noise
from autotp.tuning.deadlines import before_search
from autotp.tuning.events import NoiseMeasured
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session

NOISE_SHARE = 0.04  # of the budget, without the time to start processes
MOST_NOISE_SHARE = 0.1  # with that time
USUAL_GAIN = 1.01  # the smallest ratio that can be proven where that isn't measured


def measure_noise(session: Session, baselines: Baselines) -> float:
    """Run the best baseline against itself, set the best block length, and report how small a gain can be proven.

    Returns:
        About the smallest ratio that can be proven; the usual one if that wasn't measured.

    If that takes too much memory, or time that the finals need, or fails, the block length stays as it is. The
    finals include an A/A run of their own, so the verdict doesn't depend on this stage.
    """
    best, budget = baselines.best, session.budget
    deadline = min(
        budget.now() + MOST_NOISE_SHARE * budget.total_s, budget.at(0.4), before_search(session, baselines.all)
    )
    block_s = session.race.seconds_a_block([best])
    if budget.now() + noise.least_seconds(session.bench.arm_start_s, block_s) > deadline:
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
            return found.smallest_gain
    return USUAL_GAIN


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
