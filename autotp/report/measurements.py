"""A measurement and a comparison as text and tables for rich to print."""

from collections.abc import Mapping
from math import isfinite

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from autotp.deploy.headline import proof_words
from autotp.findings.metric import METRICS
from autotp.measuring.compare.result import Comparison
from autotp.measuring.measurement import Measurement
from autotp.report.units import BRIEF, metric_name, spell_metric
from autotp.space.knobs.config import spell_config


def measurement_table(settings: Mapping[str, object], measurement: Measurement) -> Table:
    """Return a table of one config's figures."""
    table = Table(title=Text(spell_config(settings)), title_justify="left", show_header=False)
    for key, value in measurement.metrics.items():
        if value is not None:
            table.add_row(metric_name(key), spell_metric(key, value))
    if measurement.workload.description is not None:
        table.add_row("workload", measurement.workload.description)
    if measurement.copy_s is not None:
        table.add_row("copies, not in the latency", spell_metric("copy_s", measurement.copy_s))
    effective = measurement.effective
    table.add_row("streams", str(effective.streams))
    table.add_row("threads", str(effective.threads))
    table.add_row("requests in flight", str(measurement.nireq))
    table.add_row("precision", str(effective.precision))
    table.add_row("inferences", f"{measurement.inferences} in {measurement.blocks} blocks")
    if measurement.proof is not None:
        table.add_row("split", proof_words(measurement.proof))
    return table


def comparison_view(a: str, b: str, found: Comparison) -> RenderableType:
    """Return a table of both sides' figures, and a sentence that says what they prove."""
    table = Table("", *(Column(Text(side)) for side in (f"A: {a}", f"B: {b}")))
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
    lines = [f"{sentence}: {found.verdict.upper()}", *filter(None, (found.reason, found.workload.description))]
    lines += [f"output {name} wasn't checked: it {why}" for name, why in found.unchecked.items()]
    return Group(table, *(Text(line) for line in lines))
