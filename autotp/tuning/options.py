"""Options of `tune`, for both the command line and Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from autotp.findings.metric import objectives_of
from autotp.measuring.options import JobOptions
from autotp.measuring.workload.registry import WORKLOADS
from autotp.measuring.workload.workload import Workload
from autotp.options import AllowPrecision, Flag, Form, flag_of

BUDGET_S = 300.0


def _by_model() -> str:
    """Return the objectives as text, grouped by kind of model."""
    named: dict[str, str] = {}
    for workload in WORKLOADS:
        named.setdefault(", ".join(map(str, objectives_of(workload.metrics()))), workload.title)
    first, *others = named.items()
    return f"{first[0]}; for {' or '.join(f'{title} {names}' for names, title in others)}"


def _usual() -> str:
    """Return the default objective of each workload as text."""
    usual = (f"{workload.usual_objective}{_when(workload)}" for workload in WORKLOADS)
    return f"[default: {', '.join(usual)}]"


def _when(workload: type[Workload]) -> str:
    if workload.option_needed is not None:
        return f" with {flag_of(workload.option_needed)}"
    return "" if workload is WORKLOADS[0] else f" for {workload.title}"


class TuneOptions(JobOptions, total=False):
    """Options of `tune`."""

    objectives: Annotated[
        str | Sequence[str],
        Flag(Form.TEXTS, f"What to optimise: {_by_model()}. If repeated, the first one decides.  {_usual()}", "M"),
    ]
    constraints: Annotated[
        str | Sequence[str],
        Flag(
            Form.TEXTS,
            "A bound that the result must meet: 'latency_p99<20ms', 'memory<2GiB', 'compile<30s'.",
            "BOUND",
        ),
    ]
    space: Annotated[
        str | None,
        Flag(
            Form.TEXT,
            "Search space: a name such as throughput, or a YAML file.  [default: the one called default, or "
            "language_model for a language model]",
            "NAME|FILE",
        ),
    ]
    fix: Annotated[
        Mapping[str, Any],
        Flag(Form.KNOBS, "Keep a setting at one value, for example num_streams=2; may be repeated.", default={}),
    ]
    baseline: Annotated[
        Mapping[str, Any] | None,
        Flag(Form.SETTINGS, "Your present settings; the result must beat these, too.", "FILE|'knob=value,…'"),
    ]
    warm_start: Annotated[
        str | Path | None,
        Flag(
            Form.PATH,
            "Try first what was best in another tuning, of whatever model or machine: its tuned.yaml or folder.",
            "TUNED|DIR",
        ),
    ]
    budget_s: Annotated[
        float, Flag(Form.SECONDS, "Total wall time, final measurements included.", default=BUDGET_S)
    ]
    trials: Annotated[int | None, Flag(Form.COUNT, "Largest number of configs to measure in the search.")]
    exhaustive: Annotated[
        bool,
        Flag(
            Form.SWITCH,
            "Measure every config that may differ, equally often, for the whole of the budget; drop none.",
            default=False,
        ),
    ]
    cpus: Annotated[Sequence[int] | None, Flag(Form.CPUS, "Use only these CPUs, for example 0-3.", "LIST")]
    tolerance: Annotated[float | None, Flag(Form.NUMBER, "Largest accepted absolute error of outputs.")]
    allow_precision: AllowPrecision
    out: Annotated[
        str | Path | None, Flag(Form.PATH, "Folder for the study and tuned.yaml.  [default: results/STUDY]", "DIR")
    ]
    study: Annotated[str | None, Flag(Form.TEXT, "Name of the study.  [default: MODEL-OBJECTIVE]", "NAME")]
    storage: Annotated[str | None, Flag(Form.TEXT, "Optuna storage.  [default: study.db in that folder]", "URL")]
    resume: Annotated[
        bool, Flag(Form.SWITCH, "Continue the tuning that was stopped in this folder.", default=False)
    ]
    fresh: Annotated[
        bool,
        Flag(
            Form.SWITCH,
            "Replace the tuning in this folder; its tuned.yaml stays until there is a new WIN or TIE.",
            default=False,
        ),
    ]
