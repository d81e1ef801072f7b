"""The list of workloads, and the choice of the one that drives a model."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from autotp.errors import InputError
from autotp.findings.metric import METRICS, Metric, metric_named, objectives_of
from autotp.measuring.workload.closed_loop import ClosedLoop, ClosedLoopOptions
from autotp.measuring.workload.generation import Generation, GenerationOptions
from autotp.measuring.workload.open_loop import OpenLoop, OpenLoopOptions
from autotp.measuring.workload.workload import Wanted, Workload
from autotp.options import Flag, Form, spell
from autotp.runtime.models.model_files import ModelFiles

WORKLOADS: tuple[type[Workload], ...] = (ClosedLoop, OpenLoop, Generation)
AnyWorkload: TypeAlias = ClosedLoop | OpenLoop | Generation

SEEDS = 2**32  # NumPy's and scikit-learn's generators take seeds below it
LONGEST_BUDGET_S = 1e7


class WorkloadOptions(ClosedLoopOptions, OpenLoopOptions, GenerationOptions, total=False):
    """The options of all workloads."""

    seed: Annotated[
        int,
        Flag(
            Form.SEED,
            "Seed of inputs, proposals and order.  [default: 0; compare: that of a tuned.yaml]",
            of_workload=True,
        ),
    ]


def workload_class(files: ModelFiles, given: Mapping[str, Any]) -> type[Workload]:
    """Return the workload that drives `files` with the options `given`, of which None means not set.

    Raises:
        InputError: an option isn't for such a model.
    """
    set_here = {name for name, value in given.items() if value is not None}
    driving = [workload for workload in WORKLOADS if files.kind in workload.kinds]
    taken = {name for workload in driving for name in workload.options.__annotations__}
    for owner in WORKLOADS:
        if lost := [name for name in owner.options.__annotations__ if name in set_here and name not in taken]:
            raise InputError(f"{spell(min(lost))} is for {owner.title}; {files.path.name} is {driving[0].title}.")
    needed = [workload for workload in driving if workload.option_needed in set_here]
    usual = [workload for workload in driving if workload.option_needed is None]
    return (*needed, *usual)[0]


def objective_named(name: str, workload: type[Workload]) -> Metric:
    """Return the objective of `workload` that is called `name`.

    Raises:
        InputError: there is none; the text lists those there are.
    """
    whose = f" of {workload.title}" if name in METRICS else ""
    return metric_named(name, objectives_of(workload.metrics()), whose)


def workload_for(files: ModelFiles, wanted: Wanted, options: Mapping[str, Any]) -> AnyWorkload:
    """Return the workload that drives `files`; its options are checked before any process starts.

    Args:
        files: the model.
        wanted: what the model is measured for.
        options: any of `WorkloadOptions`; None means not set.

    Raises:
        InputError: the budget or an option can't be used, or doesn't fit the model or the objectives.
        ModelError: the model's own description can't be read.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if not 0 < wanted.budget_s < LONGEST_BUDGET_S:
        raise InputError(f"{spell('budget_s')} must be more than 0 and less than {LONGEST_BUDGET_S:.0f} seconds.")
    if not 0 <= given.get("seed", 0) < SEEDS:
        raise InputError(f"{spell('seed')} must be from 0 to {SEEDS - 1}.")
    workload = workload_class(files, given).of(files, wanted, given)
    assert isinstance(workload, AnyWorkload)
    return workload


def void_knobs(workload: Workload) -> dict[str, str]:
    """Return the knobs that have no meaning for `workload`, with the reason."""
    others = {
        knob: f"only {other.title} has it" for other in WORKLOADS for knob in other.own_knobs - workload.own_knobs
    }
    return {**others, **workload.void_knobs}
