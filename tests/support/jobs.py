"""Jobs: models to be measured on this machine, or on another one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotp.findings.metric import METRICS
from autotp.measuring.jobs.job import Job
from autotp.measuring.workload.registry import workload_for
from autotp.measuring.workload.workload import Wanted
from autotp.runtime.models.model_files import locate
from autotp.runtime.models.read import Shape
from autotp.topology.probe import Topology, probe


def job_for(
    model: Path,
    *objectives: str,
    topology: Topology | None = None,
    shapes: Mapping[str, Shape] = {},
    narrowed: bool = False,
    **options: Any,
) -> Job:
    """The job of measuring `model` for these objectives with the workload's `options`."""
    files, metrics = locate(model), tuple(METRICS[name] for name in objectives)
    return Job(
        files=files,
        workload=workload_for(files, Wanted(metrics, (), budget_s=60.0), options),
        objectives=metrics,
        topology=topology or probe(),
        shapes=dict(shapes),
        narrowed=narrowed,
    )
