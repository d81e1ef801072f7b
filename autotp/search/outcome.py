"""From a verdict to tuned.yaml: what ships, with the evidence for it, and the three lines that say so in words."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from autotp.deploy import (
    SEEDED,
    VERSION,
    Objective,
    ParetoPoint,
    Profile,
    Result,
    Tuned,
    TunedBaseline,
    TunedMachine,
    TunedModel,
    TunedOutputs,
    TunedStudy,
    TunedWorkload,
)
from autotp.measure import UNITY, Interval, Loop, Metric, ProofState, Ruling
from autotp.runtime import Attention, digest
from autotp.search.front import Point, costs_of, front_of, trade
from autotp.search.observed import Observed
from autotp.search.request import TuneRequest
from autotp.search.storage import public_url
from autotp.search.verdict import Verdict
from autotp.space import Config
from autotp.topology import Topology, format_cpulist

VERDICTS: dict[Ruling, Literal["win", "tie", "unknown"]] = {
    Ruling.WIN: "win",
    Ruling.TIE: "tie",
    Ruling.UNKNOWN: "unknown",
}

GENAI = "OpenVINO GenAI's LLMPipeline and ATTENTION_BACKEND="


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """The config that ships, as observed, with its metrics and its gain over the best baseline.

    `others` are its gains in what wasn't asked for and was measured all the same.
    """

    config: Config
    observed: Observed | None
    metrics: Mapping[str, float]
    gain: Interval = UNITY
    others: Mapping[Metric, Interval] = {}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that a tuning found; `left_out` are objectives whose best candidate wasn't in the finals."""

    verdict: Verdict
    shipped: Shipped
    baseline: Shipped
    noise_floor: float | None
    points: Sequence[Point]
    left_out: Sequence[Metric] = ()
    trials: int
    rounds: int
    started: str
    duration_s: float


def build_tuned(
    request: TuneRequest, topology: Topology, evidence: Evidence, versions: Mapping[str, Any]
) -> Tuned:
    """Return the content of tuned.yaml."""
    shipped = evidence.shipped
    observed = shipped.observed
    return Tuned(
        autotp=VERSION,
        model=_model(request),
        workload=_workload(request, shipped),
        objective=Objective(
            metrics=tuple(str(m) for m in request.objectives),
            constraints=tuple(c.text for c in request.constraints),
        ),
        profiles=(
            Profile(
                machine=_machine(topology),
                config=shipped.config.to_dict(),
                properties=shipped.config.properties(),
                affinity=_affinity(observed),
                effective=observed.effective if observed else None,
                proof=observed.proof if observed else None,
                result=_result(evidence),
                pareto=_pareto(request, evidence),
            ),
        ),
        study=TunedStudy(
            name=request.name,
            storage=_storage(request),
            trials=evidence.trials,
            rounds=evidence.rounds,
            seed=request.seed,
            started=evidence.started,
            duration_s=round(evidence.duration_s, 1),
            autotp=versions["autotp"],
            openvino=versions["openvino"],
        ),
    )


def say(request: TuneRequest, evidence: Evidence) -> str:
    """Return the three lines that open the file: what was found, on what evidence, how to use it."""
    gain, metric = evidence.shipped.gain, request.objective
    own = evidence.baseline.config == request.baseline
    baseline, ships, is_ = ("OpenVINO's best hint", "the hint ships", "is")
    if own:
        baseline, ships, is_ = ("your own settings", "they ship", "are")
    interval = f"95 % interval {gain.low:.4g} to {gain.high:.4g}, fresh processes, outputs checked"
    times = f"{gain.median:.4g} times as fast in {metric} as {baseline} ({evidence.baseline.config})"
    if evidence.verdict.ruling is Ruling.WIN and gain.low > 1.0:
        found, why = f"{times}.", f"Proven: {interval}."
    elif evidence.verdict.ruling is Ruling.WIN:
        kept = ", ".join(constraint.text for constraint in request.constraints)
        found = f"The fastest that keeps {kept}, which {baseline} {is_} proven to break."
        why = f"It is {times}: {interval}."
    elif evidence.verdict.ruling is Ruling.TIE:
        found = f"Nothing was proven faster in {metric} than {baseline}, so {ships}."
        why = f"Gains below {_floor(evidence)} could not have been proven here."
    else:
        found = f"Can't tell whether anything is faster in {metric} than {baseline}, so {ships}."
        why = f"Why: {evidence.verdict.reason}."
    shipped = evidence.shipped
    front = trade(evidence.points, request.objectives) if evidence.points else ""
    told = f"{why}{_others(shipped)}{_split_warning(shipped.observed)}{front}{_left_out(evidence.left_out)}"
    generation = request.workload.generation
    backend = generation.attention_backend if generation else None
    deploy = _deploy(shipped.config, _affinity(shipped.observed), backend)
    return f"{found}\n{told}\n{deploy}"


def say_earlier(verdict: Verdict, kept: Tuned) -> str:
    """Return the three lines for a file that keeps an earlier call's result."""
    found, why = "This is what an earlier call proved; the last one couldn't tell.", f"Why: {verdict.reason}."
    profile = kept.profiles[0]
    config, backend = Config.of(profile.config), kept.workload.attention_backend
    return f"{found}\n{why}\n{_deploy(config, profile.affinity, backend)}"


def _deploy(config: Config, affinity: tuple[str, ...] | None, backend: Attention | None) -> str:
    """Return how to apply what ships, and with what else than autotp where its properties are all of it."""
    if backend is Attention.PA:
        return f"Deploy: {_pipeline(config, affinity)}."
    load, done = 'autotp.load("tuned.yaml")', []
    if affinity and len(affinity) > 1:
        load = f'{len(affinity)} processes, each autotp.load("tuned.yaml", instance=I) with I from 0'
        done.append("binds each to its own CPUs")
    elif affinity:
        done.append(f"binds the process to CPUs {affinity[0]}")
    if config.graph_split:
        done.append("splits the graph")
    if done:
        return f"Deploy: {load}, which {' and '.join(done)}; the properties below alone do not."
    other = f"{GENAI}SDPA" if backend else "compile_model"
    return f"Deploy: {load}, or the properties below with {other}."


def _pipeline(config: Config, affinity: tuple[str, ...] | None) -> str:
    """Return how OpenVINO GenAI applies what ships with paged attention."""
    bound = f", in a process bound to CPUs {affinity[0]}" if affinity else ""
    if affinity and len(affinity) > 1:
        bound = f", in {len(affinity)} processes, each bound to the CPUs of its line of `affinity`"
    graph = " and what `autotp split` writes" if config.graph_split else ""
    return f"the properties below{graph} with {GENAI}PA{bound}"


def _others(shipped: Shipped) -> str:
    """Return what is proven of the objectives that weren't asked for, in words."""
    worse = {metric: gain for metric, gain in shipped.others.items() if gain.high < 1.0}
    better = {metric: gain for metric, gain in shipped.others.items() if gain.low > 1.0}
    told = [
        f" But {metric} is {1 / gain.median:.3g} times worse ({1 / gain.high:.3g} to {1 / gain.low:.3g})."
        for metric, gain in worse.items()
    ]
    told += [
        f" And {metric} is {gain.median:.3g} times better ({gain.low:.3g} to {gain.high:.3g})."
        for metric, gain in better.items()
    ]
    return "".join(told)


def _split_warning(shipped: Observed | None) -> str:
    """Return what must not be missed of a policy that ships and doesn't do what its name says."""
    if shipped is None or shipped.proof is None or shipped.proof.state is ProofState.ACTIVE:
        return ""
    return f" But {shipped.proof.words}."


def _left_out(metrics: Sequence[Metric]) -> str:
    """Return what isn't known of several objectives."""
    if not metrics:
        return ""
    return f" What the search found best in {' and '.join(metrics)} didn't fit into the finals."


def _floor(evidence: Evidence) -> str:
    return "any size" if evidence.noise_floor is None else f"{(evidence.noise_floor - 1) * 100:.2g} %"


def _model(request: TuneRequest) -> TunedModel:
    found = digest(request.files)
    return TunedModel(
        path=_relative(request.files.path, request.out),
        kind=request.files.kind,
        graph_sha256=found.graph_sha256,
        weights_bytes=found.weights_bytes,
        shapes=request.shapes,
    )


def _relative(path: Path, folder: Path) -> str:
    try:
        return os.path.relpath(path.resolve(), folder.resolve())
    except ValueError:
        return str(path.resolve())


def _workload(request: TuneRequest, shipped: Shipped) -> TunedWorkload:
    workload = request.workload
    requests = shipped.observed.effective.requests if shipped.observed else None
    nireq = requests or request.nireq(shipped.config)
    generation = workload.batched(shipped.config.count("batch")).generation
    return TunedWorkload(
        kind=Loop.of(nireq, workload.rate_per_s) if generation is None else Loop.GENERATE,
        nireq=nireq,
        rate_per_s=workload.rate_per_s,
        prompt_tokens=generation.prompt_tokens if generation else None,
        new_tokens=generation.new_tokens if generation else None,
        batch=generation.batch if generation else None,
        attention_backend=generation.attention_backend if generation else None,
        inputs=workload.data.name if workload.data else SEEDED,
        seed=request.seed,
    )


def _machine(topology: Topology) -> TunedMachine:
    fingerprint = topology.fingerprint
    return TunedMachine(fingerprint=fingerprint.id, hard=dict(fingerprint.hard), soft=dict(fingerprint.soft))


def _affinity(observed: Observed | None) -> tuple[str, ...] | None:
    if observed is None or observed.masks is None:
        return None
    return tuple(format_cpulist(mask) for mask in observed.masks)


def _result(evidence: Evidence) -> Result:
    shipped, baseline = evidence.shipped, evidence.baseline
    return Result(
        verdict=VERDICTS[evidence.verdict.ruling],
        gain=shipped.gain,
        baseline=TunedBaseline(config=baseline.config.to_dict(), metrics=_metrics(baseline)),
        metrics=_metrics(shipped),
        noise_floor=evidence.noise_floor,
        outputs=_outputs(shipped.observed, baseline.observed),
    )


def _metrics(one: Shipped) -> dict[str, float]:
    """Return what was measured, and what copying would add to each latency."""
    if one.observed is None or one.observed.copy_s is None:
        return dict(one.metrics)
    return {**one.metrics, "copy_s": one.observed.copy_s}


def _outputs(shipped: Observed | None, baseline: Observed | None) -> TunedOutputs | None:
    if not shipped or not baseline or not shipped.output_error or not baseline.output_error:
        return None
    return TunedOutputs(
        max_abs_error=shipped.output_error.max_abs_error,
        baseline_max_abs_error=baseline.output_error.max_abs_error,
    )


def _pareto(request: TuneRequest, evidence: Evidence) -> tuple[ParetoPoint, ...]:
    if len(request.objectives) < 2:
        return ()
    front = front_of(evidence.points, request.objectives)
    return tuple(
        ParetoPoint(
            config=point.config.to_dict(),
            metrics=dict(point.metrics),
            costs=costs_of(point, front, request.objectives),
        )
        for point in front
    )


def _storage(request: TuneRequest) -> str:
    return "study.db" if request.storage is None else public_url(request.storage)
