"""A space, a measurement and a tuned file as things that rich prints."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autotp.findings import METRICS
from autotp.report.units import BRIEF, metric_name, spell_metric
from autotp.space import spell_config, spell_value

if TYPE_CHECKING:
    from autotp.deploy.guard import Decision
    from autotp.deploy.tuned import Profile, Tuned
    from autotp.measuring.comparison import Comparison
    from autotp.measuring.measurement import Measurement
    from autotp.space import BoundSpace, Census


def space_view(bound: BoundSpace, census: Census, explain: bool) -> RenderableType:
    """Return the knobs with their values here, the counts, what was dropped, and with `explain` each config."""
    table = Table("knob", "values here", "when", title=f"space {bound.name}", title_justify="left")
    for knob in bound.knobs:
        values = ", ".join("default" if choice is None else spell_value(choice) for choice in knob.choices)
        factor = f"{knob.multiple_of} × " if knob.multiple_of else ""
        when = " and ".join(f"{other} in {', '.join(map(spell_value, wanted))}" for other, wanted in knob.when)
        table.add_row(knob.name, factor + values, when)
    parts: list[RenderableType] = [table]
    parts.append(Text(f"{census.configs} configs, {census.effective_configs} that OpenVINO may tell apart"))
    for dropped in census.dropped:
        count = "" if dropped.configs is None else f" ({dropped.configs} configs)"
        parts.append(Text(f"dropped {dropped.what}: {dropped.reason}{count}"))
    if explain:
        parts += [Text(f"  {config}") for config in bound.effective()]
    return Group(*parts)


def measurement_table(settings: Mapping[str, object], measurement: Measurement) -> Table:
    """Return one config's figures."""
    table = Table(title=spell_config(settings), title_justify="left", show_header=False)
    for key, value in measurement.metrics.items():
        if value is not None:
            table.add_row(metric_name(key), spell_metric(key, value))
    if measurement.workload.words is not None:
        table.add_row("workload", measurement.workload.words)
    table.add_row("compile", spell_metric("compile_s", measurement.compile_s))
    if measurement.copy_s is not None:
        table.add_row("copies, not in the latency", spell_metric("copy_s", measurement.copy_s))
    effective = measurement.effective
    table.add_row("streams", str(effective.streams))
    table.add_row("threads", str(effective.threads))
    table.add_row("requests in flight", str(measurement.nireq))
    table.add_row("precision", str(effective.precision))
    table.add_row("inferences", f"{measurement.inferences} in {measurement.blocks} blocks")
    if measurement.proof is not None:
        table.add_row("split", measurement.proof.words)
    return table


def comparison_view(a: str, b: str, found: Comparison) -> RenderableType:
    """Return the figures of both sides, and in a sentence what they prove."""
    table = Table("", f"A: {a}", f"B: {b}")
    for key in (*BRIEF, METRICS["memory"].key):
        if key in found.a.metrics and key in found.b.metrics:
            pair = (spell_metric(key, side.metrics[key]) for side in (found.a, found.b))
            table.add_row(metric_name(key), *pair)
    table.add_row("output error", *(f"{side.output_error.max_abs_error:.3g}" for side in (found.a, found.b)))
    floor = "" if found.noise_floor is None else f", smallest provable gain here {found.noise_floor:.3f}"
    interval = f"95 % interval {found.low:.3f} to {found.high:.3f}"
    if not isfinite(found.high):
        interval = "too few processes for an interval"
    measured = f"{interval}, {found.processes} processes each{floor}"
    sentence = f"A is {found.ratio:.3f} times as fast as B in {found.objective} ({measured})"
    if not found.processes:
        sentence = "A and B could not be compared"
    lines = [f"{sentence}: {found.verdict.upper()}", *([found.reason] if found.reason else [])]
    return Group(table, *(Text(line) for line in lines))


def tuned_view(
    tuned: Tuned, profile: Profile, decision: Decision, properties: Mapping[str, str] | None
) -> RenderableType:
    """Return what was found, on what evidence, and what would be applied here: nothing if `properties` is None."""
    lines = [*_found(tuned, profile), *_applied(decision, properties)]
    return Group(*(Text(line) for line in lines))


def _found(tuned: Tuned, profile: Profile) -> list[str]:
    result, gain = profile.result, profile.result.gain
    asked = ", ".join((*tuned.objective.metrics, *tuned.objective.constraints))
    lines = [
        f"{tuned.model.path} tuned for {asked} on {profile.machine.soft.get('cpu_model') or 'an unknown CPU'}",
        f"{result.verdict.upper()}: {_ruling(result.verdict, gain.median, gain.low, gain.high)}",
        f"config    {spell_config(profile.config)}",
        f"baseline  {spell_config(result.baseline.config)}",
    ]
    metrics = result.baseline.metrics
    for key, value in result.metrics.items():
        before = f" (baseline {spell_metric(key, metrics[key])})" if key in metrics else ""
        lines.append(f"{metric_name(key):<12}  {spell_metric(key, value)}{before}")
    if profile.proof is not None:
        lines.append(profile.proof.words)
    if result.outputs is not None:
        ours, theirs = result.outputs.max_abs_error, result.outputs.baseline_max_abs_error
        lines.append(
            f"largest output error {ours:.3g}, the baseline's {theirs:.3g} (against {result.outputs.reference})"
        )
    return lines


def _ruling(verdict: str, median: float, low: float, high: float) -> str:
    if verdict == "win":
        return f"{median:.3f} times the baseline, 95 % interval {low:.3f} to {high:.3f}"
    if verdict == "tie":
        return "nothing was proven faster than the baseline, which ships"
    return "can't tell whether anything is faster than the baseline, which ships"


def _applied(decision: Decision, properties: Mapping[str, str] | None) -> list[str]:
    if properties is None:
        return [f"here autotp.load would apply nothing unless it's given the model's path ({decision.reason})"]
    what = ", ".join(f"{name}={value}" for name, value in properties.items()) or "OpenVINO's defaults"
    head = "here it would be applied" if decision.applied else "here the baseline's hint would be applied instead"
    lines = [f"{head} ({decision.reason}): {what}"]
    return lines + [f"  differs: {difference}" for difference in decision.differences]
