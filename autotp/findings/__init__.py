"""Values that files and events hold; measuring, deploying and reporting all use them."""

from autotp.findings.interval import REPORTED_CONFIDENCE, UNITY, Interval
from autotp.findings.loop import Loop
from autotp.findings.metric import (
    GENERATIONS,
    INFERENCES,
    METRICS,
    Metric,
    Samples,
    Statistic,
    Unit,
    metric_named,
    metrics_of,
    objectives_of,
)
from autotp.findings.proof import Proof, ProofState
from autotp.findings.ruling import Ruling

__all__ = [
    "GENERATIONS",
    "INFERENCES",
    "METRICS",
    "REPORTED_CONFIDENCE",
    "UNITY",
    "Interval",
    "Loop",
    "Metric",
    "Proof",
    "ProofState",
    "Ruling",
    "Samples",
    "Statistic",
    "Unit",
    "metric_named",
    "metrics_of",
    "objectives_of",
]
