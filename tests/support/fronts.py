"""Results of tunings for two objectives, with a front of up to three points."""

from typing import Any

from autotp.deploy.tuned import Objective, ParetoPoint, Result, Tuned, TunedBaseline, TunedWorkload
from autotp.findings.interval import Interval
from autotp.findings.ruling import Ruling
from autotp.space.aliases.effective import Effective
from tests.support.tuned_files import profile, tuned

HINT = {"performance_hint": "throughput"}
BOTH = ("throughput", "latency_p99")


def point(nireq: int, rate: float, latency_s: float, *proven: str, **facts: Any) -> ParetoPoint:
    """A point beside a baseline of 100 a second and 10 ms."""
    return ParetoPoint(
        config={"num_streams": 1, "nireq": nireq},
        metrics={"throughput_per_s": rate, "latency_p99_s": latency_s},
        gains={
            "throughput": Interval(median=rate / 100, low=rate / 102, high=rate / 98),
            "latency_p99": Interval(median=0.01 / latency_s, low=0.0098 / latency_s, high=0.0102 / latency_s),
        },
        proven=proven,
        **{"workload": TunedWorkload(kind="async", nireq=nireq), "effective": Effective(requests=nireq), **facts},
    )


WIDE = point(8, 200.0, 0.02, "throughput", affinity=("0-3",))
MIDDLE = point(4, 180.0, 0.009, "throughput", knee=True)
NARROW = point(1, 110.0, 0.004, "throughput", "latency_p99")


def with_front(*front: ParetoPoint) -> Tuned:
    """A result that ships the first point of its front."""
    baseline = TunedBaseline(config=HINT, metrics={"throughput_per_s": 100.0, "latency_p99_s": 0.01})
    shipped = front[0] if front else WIDE
    result = Result(verdict=Ruling.WIN, gain=shipped.gains["throughput"], baseline=baseline, noise_floor=1.01)
    one = profile(shipped.config, result=result, pareto=front, affinity=("0-3",))
    return tuned(one, objective=Objective(metrics=BOTH), workload=TunedWorkload(kind="async", nireq=8))
