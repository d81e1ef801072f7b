"""What can be asked of `measure` and `compare`, on the command line and from Python alike."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from autotp.measuring.workload.registry import WorkloadOptions
from autotp.options import Flag, Form, NoWait

MEASURE_BUDGET_S = 5.0
COMPARE_BUDGET_S = 60.0


class JobOptions(WorkloadOptions, total=False):
    """What can be asked of anything that is measured."""

    shapes: Annotated[
        Mapping[str, Sequence[int]],
        Flag(Form.SHAPES, "Static shape of an input, needed where the model is dynamic.", default={}),
    ]
    no_wait: NoWait


class MeasureOptions(JobOptions, total=False):
    """What can be asked of `measure`."""

    settings: Annotated[Mapping[str, Any], Flag(Form.KNOB_VALUES, "Set a knob.", default={})]
    budget_s: Annotated[float, Flag(Form.SECONDS, "How long to run blocks.", default=MEASURE_BUDGET_S)]


class CompareOptions(JobOptions, total=False):
    """What can be asked of `compare`."""

    model: Annotated[str | Path | None, Flag(Form.PATH, "The model.  [default: that of a tuned file]")]
    objective: Annotated[
        str | None, Flag(Form.TEXT, "As for tune.  [default: that of a tuned file, else the usual one]", "M")
    ]
    budget_s: Annotated[float, Flag(Form.SECONDS, "Wall time, starts included.", default=COMPARE_BUDGET_S)]
