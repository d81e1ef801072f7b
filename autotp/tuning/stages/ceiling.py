"""What bounds a gain: the profile of the best baseline, in a compile of its own that is never timed.

A split shares out the fully connected layers among sockets, so what remains of the time bounds what it gives
(Amdahl's law). And an inference reads all weights of these layers, however it is scheduled. Bounds say what is
worth trying first. They never replace a measurement.
"""

from collections.abc import Sequence

from autotp.findings.ceiling import Ceiling
from autotp.measuring.failure import ArmFailure
from autotp.space.bound_space import BoundSpace
from autotp.space.cpu_plugin.processors import split_places
from autotp.space.knobs.config import Config
from autotp.tuning.race.racer import Racer
from autotp.tuning.session import Session

MOST_SHARE = 0.02  # of the budget
PROFILE_S = 0.3  # beyond the start of an arm
MULTIPLYING = "FullyConnected"  # how OpenVINO's names for products with constant weights begin
EXECUTION_BITS = 16  # weights of more bits may be stored anew with so many
IS_FAR = 10.0  # a bound beyond it says nothing


def find_ceiling(session: Session, best: Racer, space: BoundSpace) -> Ceiling | None:
    """Return what bounds the gain over the baseline `best`; None if that would take too long or can't be measured.

    Args:
        session: the tuning.
        best: the best baseline, which has been raced.
        space: what is searched.
    """
    race, start_s = session.race, session.bench.arm_start_s
    if race.blocks.in_turns:
        start_s = race.seconds_a_block([best])
    if start_s + PROFILE_S > MOST_SHARE * session.budget.total_s or session.bench.room < 1:
        return None
    samples = session.request.objective.samples
    assert samples is not None, "an objective is a speed"
    weight_bytes = sum(layer.weights * min(layer.bits, EXECUTION_BITS) // 8 for layer in space.layers or ())
    try:
        profiled = session.bench.profile(best.config, samples, weight_bytes)
    except ArmFailure:
        return None
    total_s = sum(profiled.layer_s.values())
    if not total_s:
        return None
    share = sum(taken_s for name, taken_s in profiled.layer_s.items() if name.startswith(MULTIPLYING)) / total_s
    sockets = len(split_places(space.topology.machine, space.topology.envelope.cpus))
    varies = any(knob.name == "batch" for knob in space.knobs)  # a larger batch reads the weights less often
    return Ceiling(
        fully_connected=round(share, 4),
        sockets=sockets,
        tensor_parallel=round(1.0 / (1.0 - share + share / sockets), 4) if sockets > 1 else None,
        reading_weights=None if varies else _reading_bound(session, best, profiled.read_s),
    )


def in_order(configs: Sequence[Config], ceiling: Ceiling | None) -> list[Config]:
    """Return `configs` in the order of what `ceiling` says that they can give at most, the most first."""
    if ceiling is None:
        return list(configs)

    def bound(config: Config) -> float:
        if config.tensor_parallel and ceiling.tensor_parallel is not None:
            return ceiling.tensor_parallel
        return ceiling.reading_weights or IS_FAR

    return sorted(configs, key=bound, reverse=True)


def _reading_bound(session: Session, best: Racer, read_s: float | None) -> float | None:
    """Return how many times as fast an inference would be that only reads its weights, which takes `read_s`."""
    metric = session.request.objective
    value = session.race.metrics(best).get(metric.key)
    if read_s is None or not value:
        return None
    batch = session.request.workload.facts().get("batch", 1)
    bound = (batch / value if metric.maximize else value) / read_s
    return round(bound, 4) if 1.0 < bound < IS_FAR else None
