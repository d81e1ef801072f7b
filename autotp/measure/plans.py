"""From a config to what an arm's workers do: the same for a tuning, a measurement and a comparison."""

from collections.abc import Iterable, Mapping

from autotp.measure.metrics import Metric
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
        Plan(files=files, shapes=dict(shapes), properties=config.properties(), mask=mask, nireq=nireq)
        for mask in masks or (None,)
    )


def usual_requests(objectives: Iterable[Metric], rate_per_s: float | None) -> int | None:
    """Return the requests in flight where a config doesn't say; None leaves OpenVINO's optimum.

    That is meant for throughput; at a rate it's how many may run side by side.
    """
    return 1 if rate_per_s is None and not any(metric.maximize for metric in objectives) else None
