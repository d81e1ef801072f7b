"""A tuned.yaml as text for rich to print: what was found, and what would be applied here."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from autotp.deploy.guard import Decision
from autotp.deploy.headline import headline, proof_words
from autotp.deploy.targets.autotp_load import TARGET
from autotp.deploy.tuned import Profile, Tuned
from autotp.report.units import metric_name, spell_metric
from autotp.space.knobs.config import spell_config


def tuned_view(
    tuned: Tuned, profile: Profile, decision: Decision, properties: Mapping[str, str] | None
) -> RenderableType:
    """Return the result, its evidence, and what `load` would apply here; `properties` None means nothing."""
    refused = TARGET.why_not(tuned, profile)
    here = [f"here autotp.load would refuse this file: {refused}"] if refused else _applied(decision, properties)
    lines = [*_found(tuned, profile), *here]
    return Group(*(Text(line) for line in lines))


def _found(tuned: Tuned, profile: Profile) -> list[str]:
    result, (found, evidence, deploy) = profile.result, headline(tuned, profile).splitlines()
    objective = ", ".join((*tuned.objective.metrics, *tuned.objective.constraints))
    lines = [
        f"{tuned.model.path} tuned for {objective} on {profile.machine.soft.get('cpu_model') or 'an unknown CPU'}",
        f"{result.verdict.upper()}: {found}",
        f"     {evidence}",
        f"config    {spell_config(profile.config)}",
        f"baseline  {spell_config(result.baseline.config)}",
    ]
    metrics = result.baseline.metrics
    for key, value in result.metrics.items():
        before = f" (baseline {spell_metric(key, metrics[key])})" if key in metrics else ""
        lines.append(f"{metric_name(key):<12}  {spell_metric(key, value)}{before}")
    if profile.proof is not None:
        lines.append(proof_words(profile.proof))
    if result.outputs is not None:
        ours, theirs = result.outputs.max_abs_error, result.outputs.baseline_max_abs_error
        lines.append(
            f"largest output error {ours:.3g}, the baseline's {theirs:.3g} (against {result.outputs.reference})"
        )
        lines += [f"output {name} not checked: it {why}" for name, why in (result.outputs.unchecked or {}).items()]
    return [*lines, deploy]


def _applied(decision: Decision, properties: Mapping[str, str] | None) -> list[str]:
    if properties is None:
        return [f"here autotp.load would apply nothing unless it's given the model's path ({decision.reason})"]
    what = ", ".join(f"{name}={value}" for name, value in properties.items()) or "OpenVINO's defaults"
    head = "here it would be applied" if decision.applied else "here the baseline's hint would be applied instead"
    lines = [f"{head} ({decision.reason}): {what}"]
    return lines + [f"  differs: {difference}" for difference in decision.differences]
