"""An estimate of how many times better one arm is than another, from the rounds of a race, with its error."""

from math import exp, hypot, inf, pi, sqrt

import msgspec
import numpy as np

from autotp.findings.interval import Interval
from autotp.measuring.samples.statistics import t_quantile

_MEDIAN_EFFICIENCY = sqrt(pi / 2)  # standard error of a median over that of a mean, normal samples


class Estimate(msgspec.Struct, frozen=True):
    """A log-gain with its standard error, from `rounds` rounds."""

    log_gain: float
    error: float
    rounds: int

    @classmethod
    def of(cls, log_gains: list[float]) -> "Estimate":
        """Estimate the median of one log-gain per round; the error is from the quartiles, robust to outliers."""
        if len(log_gains) < 2:
            return cls(log_gains[0] if log_gains else 0.0, inf, len(log_gains))
        low, middle, high = np.quantile(log_gains, [0.25, 0.5, 0.75])
        spread = float(high - low) / 1.349
        return cls(float(middle), _MEDIAN_EFFICIENCY * spread / sqrt(len(log_gains)), len(log_gains))

    def below(self, log_gain: float, confidence: float) -> bool:
        """Whether the two-sided t-interval at `confidence` ends below `log_gain`."""
        if self.rounds < 2:
            return False
        return self.log_gain + t_quantile(self.rounds, confidence) * self.error < log_gain

    def over(self, other: "Estimate") -> "Estimate":
        """Return the gain over `other`; both are estimated against the same third arm, in separate rounds."""
        rounds = min(self.rounds, other.rounds)
        return Estimate(self.log_gain - other.log_gain, hypot(self.error, other.error), rounds)

    @property
    def interval(self) -> Interval:
        """The gain as a ratio with its 95 % interval; it comes from one process per arm, so it proves nothing."""
        half = 1.96 * self.error
        return Interval(
            median=exp(self.log_gain),
            low=exp(self.log_gain - half),
            high=exp(min(self.log_gain + half, 50.0)),
        )
