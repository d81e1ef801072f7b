"""Where a gain comes from: what single knobs of the winner do, by the measurements of the search.

Each effect is the ratio of two arms that differ in one knob: the winner, and what it is with that knob left to
OpenVINO, together with knobs that need it. Both were measured in the same rounds or against the same baseline.
Only what the search happened to measure is known, in one process each, so an effect explains and proves nothing;
knobs act together, so effects needn't multiply to the gain.
"""

from collections.abc import Iterable

from autotp.deploy.tuned import KnobEffect
from autotp.space.bound_space import BoundSpace
from autotp.tuning.race.race import Race
from autotp.tuning.race.racer import Racer


def effects_of(race: Race, space: BoundSpace, winner: Racer, raced: Iterable[Racer]) -> tuple[KnobEffect, ...]:
    """Return the known effects of the winner's knobs, the largest first.

    Args:
        race: in which all ran.
        space: that the winner comes from.
        winner: the config that is explained.
        raced: what was measured, the baselines included.
    """
    measured = {space.number(racer.config): racer for racer in raced if racer.blocks}
    effects: list[KnobEffect] = []
    for name, _ in winner.config.settings:
        without = space.reset(winner.config, name)
        number = space.number(without)
        other = None if number is None else measured.get(number)
        if other is None or other is winner:
            continue
        left = dict(without.settings)
        settings = {knob: value for knob, value in winner.config.settings if left.get(knob) != value}
        effects.append(KnobEffect(settings=settings, gain=race.gain(winner, other).interval))
    return tuple(sorted(effects, key=lambda effect: effect.gain.median, reverse=True))
