"""From a verdict to tuned.yaml: what ships, with the evidence for it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from autotp.deploy.tuned import (
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
from autotp.findings import UNITY, Interval, Metric, Ruling
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.verdict import Verdict
from autotp.runtime import digest
from autotp.space import Config
from autotp.topology import Topology, format_cpulist
from autotp.tuning.request import TuneRequest
from autotp.tuning.result.pareto import Point, costs_of, front_of
from autotp.tuning.study.storage_url import public_url

VERDICTS: dict[Ruling, Literal["win", "tie", "unknown"]] = {
    Ruling.WIN: "win",
    Ruling.TIE: "tie",
    Ruling.UNKNOWN: "unknown",
}


class MeasuredConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The config that ships, as observed, with its metrics and its gain over the best baseline.

    `others` are its gains in what wasn't asked for and was measured all the same.
    """

    config: Config
    observed: Observed | None
    metrics: Mapping[str, float]
    gain: Interval = UNITY
    others: Mapping[Metric, Interval] = {}


class TuningResult(msgspec.Struct, frozen=True, kw_only=True):
    """All that a tuning found; `left_out` are objectives whose best candidate wasn't in the finals."""

    verdict: Verdict
    shipped: MeasuredConfig
    baseline: MeasuredConfig
    noise_floor: float | None
    points: Sequence[Point]
    left_out: Sequence[Metric] = ()
    trials: int
    rounds: int
    started: str
    duration_s: float


def build_tuned(
    request: TuneRequest, topology: Topology, evidence: TuningResult, versions: Mapping[str, Any]
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
                affinity=affinity_of(observed),
                effective=observed.effective if observed else None,
                proof=observed.proof if observed else None,
                result=_result(request, evidence),
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


def _workload(request: TuneRequest, shipped: MeasuredConfig) -> TunedWorkload:
    requests = shipped.observed.effective.requests if shipped.observed else None
    nireq = requests or request.workload.nireq(shipped.config, request.objectives)
    workload = request.workload.for_config(shipped.config)
    facts = workload.facts()
    own = {name: facts.pop(name) for name in facts.keys() - set(TunedWorkload.__struct_fields__)}
    return TunedWorkload(kind=workload.kind(nireq), nireq=nireq, options=own or msgspec.UNSET, **facts)


def _machine(topology: Topology) -> TunedMachine:
    fingerprint = topology.fingerprint
    return TunedMachine(fingerprint=fingerprint.id, hard=dict(fingerprint.hard), soft=dict(fingerprint.soft))


def affinity_of(observed: Observed | None) -> tuple[str, ...] | None:
    """Return the CPUs of each process as tuned.yaml has them; None where they weren't bound."""
    if observed is None or observed.masks is None:
        return None
    return tuple(format_cpulist(mask) for mask in observed.masks)


def _result(request: TuneRequest, evidence: TuningResult) -> Result:
    shipped, baseline = evidence.shipped, evidence.baseline
    own = baseline.config == request.baseline
    return Result(
        verdict=VERDICTS[evidence.verdict.ruling],
        gain=shipped.gain,
        baseline=TunedBaseline(
            config=baseline.config.to_dict(), metrics=_metrics(baseline), own=own or msgspec.UNSET
        ),
        metrics=_metrics(shipped),
        noise_floor=evidence.noise_floor,
        outputs=_outputs(shipped.observed, baseline.observed),
        reason=evidence.verdict.reason or msgspec.UNSET,
        others={str(metric): gain for metric, gain in shipped.others.items()} or msgspec.UNSET,
        left_out=tuple(map(str, evidence.left_out)) or msgspec.UNSET,
    )


def _metrics(one: MeasuredConfig) -> dict[str, float]:
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


def _pareto(request: TuneRequest, evidence: TuningResult) -> tuple[ParetoPoint, ...]:
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
