"""Options of `measure` and `compare`, for both the command line and Python."""

from collections.abc import Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Annotated, Any, SupportsIndex

from autotp.errors import InputError
from autotp.measuring.workload.registry import WorkloadOptions
from autotp.options import Flag, Form, NoWait, spell
from autotp.runtime.models.read import Shape

MEASURE_BUDGET_S = 5.0
COMPARE_BUDGET_S = 60.0


class JobOptions(WorkloadOptions, total=False):
    """Options that `tune`, `measure` and `compare` share."""

    shapes: Annotated[
        Mapping[str, Sequence[int]],
        Flag(Form.SHAPES, "Static shape of an input; needed if its shape is dynamic.", default={}),
    ]
    no_wait: NoWait


def static_shapes(given: Mapping[str, Sequence[int]]) -> dict[str, Shape]:
    """Return the option `shapes`, as it was `given` in Python or on the command line.

    Raises:
        InputError: a shape isn't a sequence of whole numbers from 0 on.
    """
    for name, shape in given.items():
        if isinstance(shape, str) or not all(
            isinstance(size, SupportsIndex) and index(size) >= 0 for size in shape
        ):
            raise InputError(
                f"{spell('shapes')}: {name}={shape!r} isn't a shape, which is sizes such as [1, 3, 48, 320]."
            )
    return {name: tuple(map(index, shape)) for name, shape in given.items()}


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
