"""A ratio with its confidence interval: how gains are reported, in events and in files."""

import msgspec

REPORTED_CONFIDENCE = 0.95


class Interval(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ratio with its confidence interval; above 1 is better."""

    median: float
    low: float
    high: float
    confidence: float = REPORTED_CONFIDENCE


UNITY = Interval(median=1.0, low=1.0, high=1.0)
