"""How arms of the finals keep the user's bounds: by their figures, and by intervals over processes."""

from collections.abc import Sequence

from autotp.findings.interval import REPORTED_CONFIDENCE, Interval
from autotp.measuring.rounds.waves import Waves
from autotp.measuring.samples.metrics import all_metrics
from autotp.measuring.samples.statistics import DECIDING_CONFIDENCE
from autotp.tuning.constraints import Constraint, broken, violations
from autotp.tuning.race.racer import Racer


class Bounds:
    """The user's constraints, held against what the finals measured."""

    def __init__(self, constraints: tuple[Constraint, ...], finals: Waves) -> None:
        self._constraints = constraints
        self._finals = finals

    def keeps(self, key: str) -> bool:
        """Whether arm `key` keeps every constraint by the figures of all its processes."""
        return not broken(self._constraints, self._finals.metrics(key))

    def surely_keeps(self, key: str) -> bool:
        """Whether the interval of arm `key` in each bounded metric lies within the bound."""
        return all(times.high < 1.0 for times in self._times_beyond(key, REPORTED_CONFIDENCE))

    def surely_breaks(self, key: str) -> bool:
        """Whether arm `key` is proven to break a constraint, at the level at which gains are proven."""
        return any(times.low > 1.0 for times in self._times_beyond(key, DECIDING_CONFIDENCE))

    def nearest(self, racers: Sequence[Racer]) -> str:
        """Return in words which of `racers` is the least beyond its bounds, and its figures; "" without bounds."""
        if not self._constraints:
            return ""
        measured = {racer.key: self._finals.metrics(racer.key) for racer in racers}
        beyond = {key: max(violations(self._constraints, metrics).values()) for key, metrics in measured.items()}
        nearest = min(racers, key=lambda racer: beyond[racer.key])
        figures = (f"{bound.spell(measured[nearest.key])} ({bound.text})" for bound in self._constraints)
        return f"the nearest is {nearest.config}, with {' and '.join(figures)}"

    def _times_beyond(self, key: str, confidence: float) -> list[Interval]:
        """Return how many times beyond each bound arm `key` is."""
        processes = [all_metrics(wave[key]) for wave in self._finals.waves] if self._constraints else []
        return [constraint.times_beyond(processes, confidence) for constraint in self._constraints]
