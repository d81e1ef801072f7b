"""From a config to what an arm's workers do: the same for a tuning, a measurement and a comparison."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from autotp.errors import InputError
from autotp.measure.arrivals import check_arrivals, check_rate
from autotp.measure.metrics import Metric
from autotp.measure.outputs import REFERENCE_PROPERTIES
from autotp.measure.protocol import Workload
from autotp.runtime import ModelFiles, Plan, Shape
from autotp.space import Config, Mask


def plans_of(
    config: Config,
    masks: tuple[Mask, ...] | None,
    files: ModelFiles,
    shapes: Mapping[str, Shape],
    nireq: int | None,
) -> tuple[Plan, ...]:
    """Return one plan for each mask of `config`, a single one without a mask where there are none."""
    return tuple(
        Plan(
            files=files,
            shapes=dict(shapes),
            properties=config.properties(),
            mask=mask,
            nireq=nireq,
            split=config.graph_split,
        )
        for mask in masks or (None,)
    )


def reference_plan(files: ModelFiles, shapes: Mapping[str, Shape]) -> Plan:
    """Return what the reference outputs are computed with."""
    return Plan(files=files, shapes=dict(shapes), properties=dict(REFERENCE_PROPERTIES))


def usual_requests(objectives: Iterable[Metric], rate_per_s: float | None) -> int | None:
    """Return the requests in flight where a config doesn't say; None leaves OpenVINO's optimum.

    That is meant for throughput; at a rate it's how many may run side by side.
    """
    return 1 if rate_per_s is None and not any(metric.maximize for metric in objectives) else None


def workload_for(
    objectives: Iterable[Metric], budget_s: float, *, seed: int, data: Path | None, rate_per_s: float | None
) -> Workload:
    """Return what drives the model, checked before anything is started.

    Raises:
        InputError: the data aren't there, the rate can't be kept or decides the objective itself, or hardly
            anything arrives within the budget.
    """
    if data is not None and not data.is_file():
        raise InputError(f"Data file {data} doesn't exist.")
    if rate_per_s is not None:
        check_rate(rate_per_s)
        if any(metric.maximize for metric in objectives):
            raise InputError("--rate fixes the throughput; choose a latency objective, for example latency_p99.")
        check_arrivals(rate_per_s, budget_s)
    return Workload(seed=seed, data=None if data is None else data.resolve(), rate_per_s=rate_per_s)
