"""Options of `measure` and `compare`, for both the command line and Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from autotp.measuring.workload.registry import WorkloadOptions
from autotp.options import Flag, Form, NoWait

MEASURE_BUDGET_S = 5.0
COMPARE_BUDGET_S = 60.0


class JobOptions(WorkloadOptions, total=False):
    """Options that `tune`, `measure` and `compare` share."""

    shapes: Annotated[
        Mapping[str, Sequence[int]],
        Flag(Form.SHAPES, "Static shape of an input; needed if its shape is dynamic.", default={}),
    ]
    no_wait: NoWait


class MeasureOptions(JobOptions, total=False):
    """Options of `measure`."""

    settings: Annotated[Mapping[str, Any], Flag(Form.KNOB_VALUES, "Set a knob; may be repeated.", default={})]
    budget_s: Annotated[
        float, Flag(Form.SECONDS, "Time to measure, after start and warm-up.", default=MEASURE_BUDGET_S)
    ]


class CompareOptions(JobOptions, total=False):
    """Options of `compare`."""

    model: Annotated[str | Path | None, Flag(Form.PATH, "The model.  [default: the one that a tuned.yaml names]")]
    objective: Annotated[
        str | None,
        Flag(
            Form.TEXT,
            "What to compare: an objective of `autotp tune`.  [default: the tuned.yaml's, else as for tune]",
            "M",
        ),
    ]
    budget_s: Annotated[
        float, Flag(Form.SECONDS, "Total wall time, starts of processes included.", default=COMPARE_BUDGET_S)
    ]
