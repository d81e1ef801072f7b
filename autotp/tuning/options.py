"""What can be asked of `tune`, on the command line and from Python alike."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from autotp.findings.metric import objectives_of
from autotp.measuring.options import JobOptions
from autotp.measuring.workload.registry import WORKLOADS
from autotp.options import Flag, Form

BUDGET_S = 300.0


def _by_model() -> str:
    """Return the objectives there are, by what they are for."""
    named: dict[str, str] = {}
    for workload in WORKLOADS:
        named.setdefault(", ".join(map(str, objectives_of(workload.metrics()))), workload.title)
    first, *others = named.items()
    return f"{first[0]}; of {' or '.join(f'{title} {names}' for names, title in others)}"


class TuneOptions(JobOptions, total=False):
    """What can be asked of `tune`."""

    objectives: Annotated[
        str | Sequence[str],
        Flag(Form.TEXTS, f"{_by_model()}. Of several the first decides.", "M"),
    ]
    constraints: Annotated[
        str | Sequence[str],
        Flag(Form.TEXTS, "What breaks a bound can't be shipped: 'latency_p99<20ms', 'memory<2GiB'.", "BOUND"),
    ]
    space: Annotated[
        str | None,
        Flag(Form.TEXT, "Space.  [default: default, for a language model language_model]", "NAME|FILE"),
    ]
    fix: Annotated[Mapping[str, Any], Flag(Form.KNOBS, "Hold a knob at one value.", default={})]
    baseline: Annotated[
        Mapping[str, Any] | None,
        Flag(Form.SETTINGS, "Your present settings, to be beaten too.", "FILE|'knob=value,…'"),
    ]
    budget_s: Annotated[float, Flag(Form.SECONDS, "Wall time, finals included.", default=BUDGET_S)]
    trials: Annotated[int | None, Flag(Form.COUNT, "The most arms to search.")]
    cpus: Annotated[Sequence[int] | None, Flag(Form.CPUS, "Stay on these CPUs, for example 0-3.", "LIST")]
    tolerance: Annotated[float | None, Flag(Form.NUMBER, "Largest absolute output error accepted.")]
    allow_precision: Annotated[
        Sequence[str],
        Flag(Form.WORDS, "Precisions below OpenVINO's default that may be tried, for example bf16.", "LIST"),
    ]
    out: Annotated[str | Path | None, Flag(Form.PATH, "Folder of the study.  [default: results/STUDY]", "DIR")]
    study: Annotated[str | None, Flag(Form.TEXT, "Name of the study.  [default: MODEL-OBJECTIVE]", "NAME")]
    storage: Annotated[str | None, Flag(Form.TEXT, "Optuna storage.  [default: study.db in the folder]", "URL")]
    resume: Annotated[bool, Flag(Form.SWITCH, "Go on with an existing study.", default=False)]
    fresh: Annotated[bool, Flag(Form.SWITCH, "Replace an existing study.", default=False)]
