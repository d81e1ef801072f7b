"""Whether a model's time depends on its inputs, from how long several samples took in several turns.

Each turn runs every sample once, so what disturbs a whole turn cancels out. A sample's effect is the median over
turns of its log-time, relative to the mean of its turn, and then to the median of all samples. The noise is how
far the times of the same sample in successive turns are from one another (the baseline against itself, A/A). The
samples differ if an effect exceeds the half-width of the deciding interval of such a median without any effect,
corrected for the number of samples (Bonferroni). The standard error of a median of normal values is sqrt(pi / 2)
times that of their mean ("Kendall's Advanced Theory of Statistics", vol. 1, 6th ed., ch. 10).
"""

from math import pi, sqrt
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.measuring.samples.statistics import deciding_confidence, t_quantile

SMALLEST_EFFECT = 0.005  # below any noise floor seen so far
_NORMAL_SPREAD = 1.4826  # times the median absolute deviation is the standard deviation of normal values


class DataEffect(msgspec.Struct, frozen=True):
    """The largest effect of a sample on the time, and the half-width of its noise, both as log-ratios."""

    largest: float
    half_width: float

    @property
    def exists(self) -> bool:
        """Whether the effect is beyond the noise, and large enough to matter."""
        return self.largest > max(self.half_width, SMALLEST_EFFECT)


def data_effect(times_s: NDArray[Any]) -> DataEffect:
    """Return the effect of the samples in `times_s`: seconds, a row per turn, a column per sample."""
    turns, samples = times_s.shape
    logs = np.log(times_s)
    relative = logs - logs.mean(axis=1, keepdims=True)
    effects = np.median(relative, axis=0)
    spread = _NORMAL_SPREAD * float(np.median(np.abs(np.diff(relative, axis=0)))) / sqrt(2)
    quantile = t_quantile(samples * (turns - 1) + 1, deciding_confidence(samples))
    return DataEffect(
        float(np.max(np.abs(effects - np.median(effects)))), quantile * sqrt(pi / 2) * spread / sqrt(turns)
    )
