"""Recorded tables: every config of a space, measured in rounds beside the baseline, in several processes.

`from_study` takes one out of the study of `autotp tune --exhaustive`; `as_t4` and `as_t1` write it in the
formats of Kernel Tuner's tuning schema (https://github.com/odgaard/TuningSchema), which other tuners can replay,
and `read_t4` reads it again. Times in T4 are in milliseconds, as Kernel Tuner has them.

What the formats have no place for: T1's `Language` allows languages of graphics cards alone, so "OpenVINO" there
is an extension; its one condition lists the configs that differ, as most of the product are aliases of others.
In T4 each config has further measurements: `block_values` and `baseline_block_values` [process][round], the
objective in each block and in the baseline's block of the same round, and `start_ms` [process].
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from autotp.findings.metric import METRICS, Metric
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.metrics import values_of_blocks
from autotp.tuning.study.block_columns import decode_blocks
from autotp.tuning.study.storage_url import open_storage
from autotp.tuning.study.study import Role

VERSION = "1.0.0"
ABSENT = "default"  # a knob that isn't set
HINT = "performance_hint"  # the knob that hints alone have
DIGITS = 6
INVALIDITY = {"TIMED_OUT": "timeout", "WRONG_OUTPUT": "correctness", "INVALID": "constraints"}

Settings = dict[str, Any]  # by knob; what isn't there is OpenVINO's default


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """What one process of a config did.

    Attributes:
        start_s: how long it took to start, compile and warm up.
        compile_s: how long it took to compile.
        values: the objective in each block.
        baseline: the objective in the baseline's block of the same round.
        block_s: how long each block took.
    """

    start_s: float
    compile_s: float
    values: tuple[float, ...]
    baseline: tuple[float, ...]
    block_s: tuple[float, ...]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A config with its processes, or why it has none."""

    settings: Settings
    began: str = ""
    processes: tuple[Process, ...] = ()
    invalidity: str = "correct"


class RecordedTable(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Every config of a space, and OpenVINO's hints, the best of which is what gains are relative to.

    Attributes:
        model: the name of its file.
        metric: the objective.
        hints: the best first; each has one process.
        rows: the configs of the space.
    """

    model: str
    metric: Metric
    hints: tuple[Row, ...]
    rows: tuple[Row, ...]

    @cached_property
    def measured(self) -> tuple[Row, ...]:
        """The rows that have processes."""
        return tuple(row for row in self.rows if row.processes)

    def log_gains(self, row: Row, first: int = 0, step: int = 1) -> NDArray[np.float64]:
        """Return the log of how many times better `row` is than the baseline in every `step`-th round."""
        pairs = [
            (value, reference)
            for process in row.processes
            for value, reference in zip(process.values[first::step], process.baseline[first::step], strict=True)
        ]
        logs = np.log(np.array(pairs))
        found: NDArray[np.float64] = (logs[:, 0] - logs[:, 1]) * (1.0 if self.metric.maximize else -1.0)
        return found

    @cached_property
    def chosen_by(self) -> NDArray[np.float64]:
        """The log-gain of each measured row in its odd rounds, by which the best is chosen."""
        return np.array([float(np.median(self.log_gains(row, 1, 2))) for row in self.measured])

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The log-gain of each measured row in its even rounds, by which it is scored."""
        return np.array([float(np.median(self.log_gains(row, 0, 2))) for row in self.measured])

    @property
    def best(self) -> int:
        """The measured row that is best in the odd rounds."""
        return int(self.chosen_by.argmax())

    def regret(self, row: int | None) -> float:
        """Return by which share of the best a measured row is worse in the even rounds; None is the best hint."""
        score = 0.0 if row is None else float(self.scores[row])
        return float(1.0 - np.exp(score - self.scores[self.best]))

    def share_near_the_best(self, by: float) -> float:
        """Return the share of the measured rows whose regret is at most `by`."""
        return float(np.mean([self.regret(row) <= by for row in range(len(self.measured))]))

    def noise(self) -> float:
        """Return the standard error of a row's score, as a share: the median over rows, from its processes."""
        spreads = []
        for row in self.measured:
            each = [np.median(self.log_gains(Row(settings={}, processes=(one,)))) for one in row.processes]
            if len(each) > 1:
                spreads.append(float(np.std(each, ddof=1) / np.sqrt(len(each))))
        return float(np.median(spreads)) if spreads else float("nan")


def from_study(database: Path, model: str) -> RecordedTable:
    """Return the table in the study that `autotp tune --exhaustive` left in `database`, its only one."""
    storage = open_storage(database)
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    trials = study.get_trials(deepcopy=False)
    metric = METRICS[(study.metric_names or [""])[0]]
    baselines = [
        trial
        for trial in trials
        if trial.user_attrs.get("role") == Role.BASELINE and trial.state is TrialState.COMPLETE
    ]
    best = max(baselines, key=lambda trial: len(_blocks(trial)))  # it ran to the end
    reference = _blocks(best)
    others = [trial for trial in baselines if trial is not best]
    hints = [row for trial in (best, *others) if (row := _row(trial, metric, reference))]
    rows: dict[str, Row] = {}
    for trial in trials:
        if trial.user_attrs.get("role") == Role.SEARCH and (row := _row(trial, metric, reference)):
            key = json.dumps(row.settings, sort_keys=True)
            earlier = rows.get(key, Row(settings=row.settings, began=row.began, invalidity=row.invalidity))
            processes = (*earlier.processes, *row.processes)
            rows[key] = msgspec.structs.replace(
                earlier, processes=processes, invalidity="correct" if processes else row.invalidity
            )
    return RecordedTable(model=model, metric=metric, hints=tuple(hints), rows=tuple(rows.values()))


def _blocks(trial: FrozenTrial) -> dict[int, Block]:
    parts = sorted((name for name in trial.user_attrs if name.startswith("blocks:")), key=lambda n: int(n[7:]))
    return {round_: block for name in parts for _, round_, block in decode_blocks(trial.user_attrs[name])}


def _row(trial: FrozenTrial, metric: Metric, reference: Mapping[int, Block]) -> Row | None:
    """Return what one trial measured; None if it was interrupted."""
    facts, began = trial.user_attrs, trial.datetime_start
    started = began.isoformat(timespec="seconds") if began else ""
    if trial.state is not TrialState.COMPLETE:
        status = facts.get("status")
        if status in (None, "INTERRUPTED"):
            return None
        other = "compile" if facts.get("phase") == "compile" else "runtime"
        return Row(settings=facts["config"], began=started, invalidity=INVALIDITY.get(status, other))
    mine = {round_: block for round_, block in _blocks(trial).items() if round_ in reference}
    blocks = list(mine.values())
    process = Process(
        start_s=facts["start_s"],
        compile_s=blocks[0].compile_s,
        values=tuple(values_of_blocks(metric, blocks)),
        baseline=tuple(values_of_blocks(metric, [reference[round_] for round_ in mine])),
        block_s=tuple(block.elapsed_s + block.untimed_s for block in blocks),
    )
    return Row(settings=facts["config"], began=started, processes=(process,))


def as_t4(table: RecordedTable) -> dict[str, Any]:
    """Return `table` as a document of T4, the format of results."""
    return {"schema_version": VERSION, "results": [_result(table, row) for row in (*table.hints, *table.rows)]}


def _result(table: RecordedTable, row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {
        "timestamp": row.began,
        "configuration": _all_set(table, row.settings),
        "objectives": [table.metric.key],
        "times": {
            "compilation_time": 0.0,
            "runtimes": [],
            "framework": 0.0,
            "search_algorithm": 0.0,
            "validation": 0,
        },
        "invalidity": row.invalidity,
        "correctness": int(row.invalidity != "correctness"),
        "measurements": [],
    }
    if not row.processes:
        return found
    compile_s = float(np.median([process.compile_s for process in row.processes]))
    start_s = float(np.median([process.start_s for process in row.processes]))
    found["times"] |= {
        "compilation_time": _ms(compile_s),
        "runtimes": [_ms(seconds) for process in row.processes for seconds in process.block_s],
        "framework": _ms(max(0.0, start_s - compile_s)),
    }
    values = [list(process.values) for process in row.processes]
    gain = float(np.exp(np.median(table.log_gains(row))))
    unit = str(table.metric.unit)
    found["measurements"] = [
        {"name": table.metric.key, "value": _rounded(float(np.median(np.concatenate(values)))), "unit": unit},
        {"name": "gain", "value": _rounded(gain), "unit": "1"},
        {"name": "block_values", "value": [_rounded(of_process) for of_process in values], "unit": unit},
        {
            "name": "baseline_block_values",
            "value": [_rounded(list(process.baseline)) for process in row.processes],
            "unit": unit,
        },
        {"name": "start_ms", "value": [_ms(process.start_s) for process in row.processes], "unit": "ms"},
    ]
    return found


def as_t1(table: RecordedTable) -> dict[str, Any]:
    """Return the space of `table` as a document of T1, the format of tuning problems."""
    columns = {name: _levels(table, name) for name in _names(table)}
    members = [tuple(_all_set(table, row.settings).values()) for row in (*table.hints, *table.rows)]
    return {
        "General": {"FormatVersion": 1, "TimeUnit": "Milliseconds", "OutputFormat": "JSON"},
        "ConfigurationSpace": {
            "TuningParameters": [
                {"Name": name, "Type": _type(levels), "Values": repr(levels)} for name, levels in columns.items()
            ],
            "Conditions": [{"Parameters": list(columns), "Expression": f"({', '.join(columns)},) in {members!r}"}],
        },
        "KernelSpecification": {
            "Language": "OpenVINO",
            "KernelName": table.model,
            "KernelFile": table.model,
            "GlobalSize": {"X": "1"},
            "LocalSize": {"X": "1"},
        },
    }


def read_t4(path: Path) -> RecordedTable:
    """Return the table that `as_t4` wrote to `path`; its model is called as the file is."""
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    rows = [_row_of(result) for result in results]
    (metric,) = (metric for metric in METRICS.values() if metric.key == results[0]["objectives"][0])
    return RecordedTable(
        model=path.name.partition(".")[0],
        metric=metric,
        hints=tuple(row for row in rows if HINT in row.settings),
        rows=tuple(row for row in rows if HINT not in row.settings),
    )


def _row_of(result: Mapping[str, Any]) -> Row:
    settings = {name: value for name, value in result["configuration"].items() if value != ABSENT}
    measured = {one["name"]: one["value"] for one in result["measurements"]}
    row = Row(settings=settings, began=result["timestamp"], invalidity=result["invalidity"])
    if not measured:
        return row
    durations = iter(result["times"]["runtimes"])
    triples = zip(measured["block_values"], measured["baseline_block_values"], measured["start_ms"], strict=True)
    compile_s = result["times"]["compilation_time"] / 1e3
    processes = tuple(
        Process(
            start_s=start_ms / 1e3,
            compile_s=compile_s,
            values=tuple(values),
            baseline=tuple(reference),
            block_s=tuple(next(durations) / 1e3 for _ in values),
        )
        for values, reference, start_ms in triples
    )
    return msgspec.structs.replace(row, processes=processes)


def _names(table: RecordedTable) -> list[str]:
    return list(dict.fromkeys(name for row in (*table.hints, *table.rows) for name in row.settings))


def _all_set(table: RecordedTable, settings: Settings) -> Settings:
    return {name: settings.get(name, ABSENT) for name in _names(table)}


def _levels(table: RecordedTable, name: str) -> list[Any]:
    """Return the values of a knob: numbers in their order, others as they come."""
    rows = (*table.hints, *table.rows)
    levels = list(dict.fromkeys(_all_set(table, row.settings)[name] for row in rows))
    return sorted(levels, key=lambda level: (isinstance(level, str), level if _is_number(level) else 0))


def _type(levels: Sequence[Any]) -> str:
    """Return the type of a parameter in T1; one that may be absent has texts among its values."""
    kinds = {type(level) for level in levels}
    return {bool: "bool", int: "int", float: "float"}.get(kinds.pop(), "string") if len(kinds) == 1 else "string"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _ms(seconds: float) -> float:
    return float(_rounded(1e3 * seconds))


def _rounded(value: float | Sequence[float]) -> Any:
    if isinstance(value, float | int):
        return float(f"{value:.{DIGITS}g}")
    return [_rounded(one) for one in value]


def differing(table: RecordedTable, beside: str) -> int:
    """Return how many measured configs there are if knob `beside` doesn't count."""
    others = ({k: v for k, v in row.settings.items() if k != beside} for row in table.measured)
    return len({json.dumps(settings, sort_keys=True) for settings in others})
