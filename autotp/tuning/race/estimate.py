"""A standing: by how much an arm is ahead of another, as its rounds have it, and how sure that is."""

from math import exp, hypot, inf, pi, sqrt

import msgspec
import numpy as np

from autotp.findings import Interval
from autotp.measuring.samples.statistics import t_quantile

_MEDIAN_EFFICIENCY = sqrt(pi / 2)  # standard error of a median over that of a mean, normal samples


class Standing(msgspec.Struct, frozen=True):
    """A log-gain with its standard error, from `rounds` rounds."""

    log_gain: float
    error: float
    rounds: int

    @classmethod
    def of(cls, log_gains: list[float]) -> "Standing":
        """Summarize one log-gain a round; the spread is read from the quartiles, deaf to single outliers."""
        if len(log_gains) < 2:
            return cls(log_gains[0] if log_gains else 0.0, inf, len(log_gains))
        low, middle, high = np.quantile(log_gains, [0.25, 0.5, 0.75])
        spread = float(high - low) / 1.349
        return cls(float(middle), _MEDIAN_EFFICIENCY * spread / sqrt(len(log_gains)), len(log_gains))

    def below(self, log_gain: float, confidence: float) -> bool:
        """Whether the two-sided t-interval of this at `confidence` ends below `log_gain`."""
        if self.rounds < 2:
            return False
        return self.log_gain + t_quantile(self.rounds, confidence) * self.error < log_gain

    def over(self, other: "Standing") -> "Standing":
        """Return the gain over another arm, both standing against the same one, in rounds of their own."""
        rounds = min(self.rounds, other.rounds)
        return Standing(self.log_gain - other.log_gain, hypot(self.error, other.error), rounds)

    @property
    def interval(self) -> Interval:
        """The gain as a ratio with its 95 % interval, from one process each: the search's view, no proof."""
        half = 1.96 * self.error
        return Interval(
            median=exp(self.log_gain),
            low=exp(self.log_gain - half),
            high=exp(min(self.log_gain + half, 50.0)),
        )
