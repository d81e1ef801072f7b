"""The events of a tuning as lines of text."""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from pathlib import Path

import msgspec

from autotp.deploy.guard import model_files_path
from autotp.deploy.headline import cannot_tell, headline, proof_words
from autotp.deploy.tuned import KnobEffect, Tuned
from autotp.findings.ceiling import Ceiling
from autotp.findings.interval import Interval
from autotp.findings.proof import ProofState
from autotp.findings.ruling import Ruling
from autotp.report.units import BRIEF, metric_name, spell_budget, spell_metric, spell_seconds
from autotp.space.knobs.config import spell_config
from autotp.tuning.events import (
    ArmEnded,
    ArmsTakeTurns,
    BaselinesRaced,
    BudgetTooShort,
    ChanceLeft,
    Event,
    FinalsBegan,
    FinalsEnded,
    NoiseMeasured,
    PlayOffBegan,
    SweepEnded,
    TuningBegan,
    VerdictReached,
    Waiting,
    WeatherCounted,
)
from autotp.tuning.study.owner import spell_time

LEAST_SHARE = 0.01  # of what separates the best configs, for a knob to be named
MEANINGLESS = 100.0  # ratio of an interval's ends, from which on it says nothing

_PROOFS = {
    ProofState.ACTIVE: "split active",
    ProofState.CAPPED: "split CAPPED: not all cores of all sockets",
    ProofState.INERT: "split INERT: the policy did nothing",
}


@singledispatch
def describe_event(event: Event) -> list[str]:
    """Return lines of text that describe `event`."""
    raise TypeError(f"no words for {type(event).__name__}")


@describe_event.register
def _(event: Waiting) -> list[str]:
    return [f"waiting   for {event.holder}, which is measuring on this machine; the budget starts afterwards"]


@describe_event.register
def _(event: TuningBegan) -> list[str]:
    configs = f"{event.configs} configs, {event.effective_configs} that may differ"
    lines = [f"study     {event.study} in {event.out}: {configs}; budget {spell_seconds(event.budget_s)}"]
    if event.workload.description is not None:
        lines.append(f"workload  {event.workload.description}")
    if event.warm_start is not None:
        held, known = event.warm_start
        lines.append(f"warm      {held} of the {known} best settings of the other tuning can be tried first")
    lines += [f"dropped   {what}: {reason}" for what, reason in event.dropped]
    lines += [f"health    {advice.seen}" for advice in event.advice]
    return [*lines, "          `autotp health` says why that matters and what to do"] if event.advice else lines


@describe_event.register
def _(event: BaselinesRaced) -> list[str]:
    metrics = ", ".join(f"{metric_name(key)} {spell_metric(key, v)}" for key, v in _short(event.metrics))
    aliases = "".join(f"; {spell_config(alias)} is the same here as another hint" for alias in event.aliases)
    concerns = [*event.beyond_tolerance, *((config, proof_words(proof)) for config, proof in event.unproven)]
    warnings = [f"warning   {spell_config(config)}: {concern}" for config, concern in concerns]
    warnings += [f"warning   output {name} isn't checked: it {why}" for name, why in event.unchecked.items()]
    return [f"baseline  {spell_config(event.baseline)}: {metrics}{aliases}", *warnings]


@describe_event.register
def _(event: ArmsTakeTurns) -> list[str]:
    start = f"each block starts its process anew ({spell_seconds(event.start_s)})"
    return [f"memory    it doesn't hold the arms side by side, so they take turns: {start}, and noise is larger"]


@describe_event.register
def _(event: BudgetTooShort) -> list[str]:
    given, shortest = spell_seconds(event.budget_s), spell_seconds(event.shortest_s)
    each = f"a start takes {spell_seconds(event.start_s)} and a block {spell_seconds(event.block_s)}"
    needed = f"so a verdict takes at least about {shortest}: --budget {spell_budget(event.shortest_s)}"
    return [f"budget    {given} is too short: {each}, {needed}"]


@describe_event.register
def _(event: NoiseMeasured) -> list[str]:
    noise = event.noise
    if noise is None:
        return [f"noise     not measured, only the finals will show it: {event.reason}"]
    least = f"gains below about {noise.smallest_gain:.3f}× may be too small to prove here"
    length = "" if event.by_count else f"; blocks of {spell_seconds(noise.block_s)}"
    return [f"noise     the best baseline against itself: {least}{length}"]


@describe_event.register
def _(event: WeatherCounted) -> list[str]:
    if not event.repeated + event.kept:
        return []
    again = f"{event.repeated} blocks were run again because other programs took CPU time"
    return [f"weather   {again}; {event.kept} of the {event.blocks} that count were disturbed as well"]


@describe_event.register
def _(event: ArmEnded) -> list[str]:
    figure = _times(event.gain) if event.gain else f"{event.status:>23}"
    proof = f" [{_PROOFS[ProofState(event.proof)]}]" if event.proof else ""
    reason = f" ({event.reason})" if event.reason else ""
    return [f"trial {event.trial:>3} {figure}  {spell_config(event.config)}{proof}{reason}"]


@describe_event.register
def _(event: ChanceLeft) -> list[str]:
    gain = f"{(event.smallest_gain - 1) * 100:.2g} %"
    return [
        f"chance    {event.chance * 100:.0f} % that anything better by {gain} is left; {event.measured} measured"
    ]


@describe_event.register
def _(event: SweepEnded) -> list[str]:
    times = "once" if event.processes == 1 else f"in {event.processes} processes each"
    return [f"sweep     {event.configs} configs measured {times}"]


@describe_event.register
def _(event: PlayOffBegan) -> list[str]:
    return [f"play-off  {len(event.candidates)} candidates that may all be the best race again"]


@describe_event.register
def _(event: FinalsBegan) -> list[str]:
    plan = f"{event.processes} fresh processes each, {event.rounds} rounds"
    finalists = "; ".join(spell_config(config) for config in event.finalists) or "none"
    against = "; ".join(spell_config(config) for config in event.baselines)
    return [f"finals    {plan}: {finalists}; against {against}"]


@describe_event.register
def _(event: FinalsEnded) -> list[str]:
    floor = f", smallest provable gain here {event.noise_floor:.3f}×" if event.noise_floor else ""
    return [f"final     {_times(event.gain)}  {spell_config(event.config)} ({event.processes} processes{floor})"]


@describe_event.register
def _(event: VerdictReached) -> list[str]:
    result = event.tuned.profiles[0].result
    if event.kept is not None:
        found = f"{result.verdict.upper()}: {cannot_tell(event.tuned, result)}."
        return ["", found, f"     Why: {result.reason}.", f"     {_stays(event.path, event.kept)}"]
    found, evidence, _ = headline(event.tuned).splitlines()
    why = [*_effects(result.effects or ()), *_importance(result.importance or {}), *_bounds(result.ceiling)]
    lines = ["", f"{result.verdict.upper()}: {found}", f"     {evidence}", *why]
    return [*lines, f"     Written to {event.path}."]


def _effects(effects: Sequence[KnobEffect]) -> list[str]:
    """Return a line that says what single knobs do, if any is known."""
    each = "; ".join(f"{spell_config(effect.settings)} {_times(effect.gain).strip()}" for effect in effects)
    return [f"     What single settings do, by the search alone: {each}."] if each else []


def _importance(shares: Mapping[str, float]) -> list[str]:
    """Return a line that says which knobs matter, if that is known."""
    each = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share >= LEAST_SHARE)
    return [f"     What separates the best quarter of the search (PED-ANOVA): {each}."] if each else []


def _bounds(ceiling: Ceiling | msgspec.UnsetType) -> list[str]:
    """Return a line that says what bounds any gain, if that is known."""
    if not isinstance(ceiling, Ceiling):
        return []
    words = f"Fully connected layers take {ceiling.fully_connected:.0%} of the time"
    if ceiling.tensor_parallel is not None:
        bound = f"{ceiling.tensor_parallel:.3g}×"
        words += f": tensor parallelism over {ceiling.sockets} sockets can give about {bound} at most"
    if ceiling.reading_weights is not None:
        words += f"; reading their weights for each inference allows about {ceiling.reading_weights:.3g}× at most"
    return [f"     {words}."]


def _stays(path: str, kept: Tuned) -> str:
    """Return that the tuned.yaml at `path` keeps its proven content, and whose that is."""
    proven = next(p.result.verdict for p in kept.profiles if p.result.verdict is not Ruling.UNKNOWN)
    wanted = ", ".join((*kept.objective.metrics, *kept.objective.constraints))
    began, model = spell_time(kept.study.started), model_files_path(kept, Path(path))
    whose = f"the {proven.upper()} of study {kept.study.name!r} (of {model}, begun {began}) for {wanted}"
    return f"{path} stays as it was, until there is a new WIN or TIE: {whose}."


def _times(gain: Interval) -> str:
    if gain.high > MEANINGLESS * gain.low:
        return f"{gain.median:6.3f}× [too few rounds for an interval]"
    return f"{gain.median:6.3f}× [{gain.low:.3f}, {gain.high:.3f}]"


def _short(metrics: dict[str, float]) -> list[tuple[str, float]]:
    return [(key, metrics[key]) for key in BRIEF if key in metrics]
