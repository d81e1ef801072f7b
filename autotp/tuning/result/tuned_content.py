"""Builds the content of tuned.yaml from what a tuning found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autotp.deploy.tuned import (
    VERSION,
    KnobEffect,
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
    UnmeasuredHint,
)
from autotp.files.links import as_given, relative_to_folder
from autotp.findings.ceiling import Ceiling
from autotp.findings.interval import UNITY, Interval
from autotp.findings.metric import Metric
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.verdict import Verdict
from autotp.runtime.models.digest import digest
from autotp.space.knobs.config import Config
from autotp.topology.probe import Topology
from autotp.topology.tree.cpulist import format_cpulist
from autotp.tuning.request import TuneRequest
from autotp.tuning.result.pareto import Point, costs_of, front_of, gains_of, knee_of
from autotp.tuning.study.storage_url import public_url


class MeasuredConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A config with what was observed and measured of it, and its gain over the best baseline.

    `others` are its gains in metrics that aren't objectives.
    """

    config: Config
    observed: Observed | None
    metrics: Mapping[str, float]
    gain: Interval = UNITY
    others: Mapping[Metric, Interval] = {}


class TuningResult(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a tuning found.

    `selected` is the config that tuned.yaml will hold: the winner, else a baseline.
    `left_out` are objectives whose best candidate wasn't in the finals, `unmeasured` are hints that failed and
    `unchecked` outputs that couldn't be checked, each with the reason. `effects` are those of a winner's knobs,
    `importance` is what share each knob has in them; `ceiling` is what bounds any gain here.
    """

    verdict: Verdict
    selected: MeasuredConfig
    baseline: MeasuredConfig
    noise_floor: float | None = None
    points: Sequence[Point] = ()
    left_out: Sequence[Metric] = ()
    unmeasured: Sequence[tuple[Config, str]] = ()
    unchecked: Mapping[str, str] = {}
    effects: Sequence[KnobEffect] = ()
    importance: Mapping[str, float] = {}
    ceiling: Ceiling | None = None
    trials: int
    rounds: int
    started: str
    duration_s: float


def build_tuned(
    request: TuneRequest, topology: Topology, result: TuningResult, versions: Mapping[str, Any]
) -> Tuned:
    """Return the content of tuned.yaml."""
    selected = result.selected
    observed = selected.observed
    return Tuned(
        autotp=VERSION,
        model=_model(request),
        workload=_workload(request, selected.config, observed),
        objective=Objective(
            metrics=tuple(str(m) for m in request.objectives),
            constraints=tuple(c.text for c in request.constraints),
        ),
        profiles=(
            Profile(
                machine=_machine(topology),
                config=selected.config.to_dict(),
                properties=selected.config.properties(),
                affinity=affinity_of(observed),
                effective=observed.effective if observed else None,
                proof=observed.proof if observed else None,
                result=_result(request, result),
                pareto=_pareto(request, result),
            ),
        ),
        study=TunedStudy(
            name=request.name,
            storage=_storage(request),
            trials=result.trials,
            rounds=result.rounds,
            seed=request.seed,
            started=result.started,
            duration_s=round(result.duration_s, 1),
            autotp=versions["autotp"],
            openvino=versions["openvino"],
        ),
    )


def _model(request: TuneRequest) -> TunedModel:
    found = digest(request.files)
    return TunedModel(
        path=_stored(request.files.path, request.out),
        kind=request.files.kind,
        graph_sha256=found.graph_sha256,
        weights_bytes=found.weights_bytes,
        shapes=request.shapes,
    )


def _stored(path: Path, folder: Path) -> str:
    """Return how tuned.yaml in `folder` names the model at `path`: links are kept, for they may change."""
    return str(relative_to_folder(path, folder) or as_given(path))


def _workload(request: TuneRequest, config: Config, observed: Observed | None) -> TunedWorkload:
    requests = observed.effective.requests if observed else None
    nireq = requests or request.workload.nireq(config, request.objectives)
    workload = request.workload.for_config(config)
    facts = workload.facts()
    own = {name: facts.pop(name) for name in tuple(facts) if name not in TunedWorkload.__struct_fields__}
    return TunedWorkload(kind=workload.kind(nireq), nireq=nireq, options=own or msgspec.UNSET, **facts)


def _machine(topology: Topology) -> TunedMachine:
    fingerprint = topology.fingerprint
    return TunedMachine(fingerprint=fingerprint.id, hard=dict(fingerprint.hard), soft=dict(fingerprint.soft))


def affinity_of(observed: Observed | None) -> tuple[str, ...] | None:
    """Return the CPUs of each process as text for tuned.yaml; None if it wasn't bound to any."""
    if observed is None or observed.masks is None:
        return None
    return tuple(format_cpulist(mask) for mask in observed.masks)


def _result(request: TuneRequest, result: TuningResult) -> Result:
    selected, baseline = result.selected, result.baseline
    own = baseline.config == request.baseline
    return Result(
        verdict=result.verdict.ruling,
        gain=selected.gain,
        baseline=TunedBaseline(
            config=baseline.config.to_dict(), metrics=_metrics(baseline), own=own or msgspec.UNSET
        ),
        metrics=_metrics(selected),
        noise_floor=result.noise_floor,
        outputs=_outputs(selected.observed, baseline.observed, result.unchecked),
        reason=result.verdict.reason or msgspec.UNSET,
        others={str(metric): gain for metric, gain in selected.others.items()} or msgspec.UNSET,
        left_out=tuple(map(str, result.left_out)) or msgspec.UNSET,
        unmeasured=tuple(UnmeasuredHint(config=config.to_dict(), reason=why) for config, why in result.unmeasured)
        or msgspec.UNSET,
        effects=tuple(result.effects) or msgspec.UNSET,
        importance=dict(result.importance) or msgspec.UNSET,
        ceiling=result.ceiling or msgspec.UNSET,
    )


def _metrics(one: MeasuredConfig) -> dict[str, float]:
    """Return the measured metrics, and `copy_s`, which copying would add to each latency."""
    if one.observed is None or one.observed.copy_s is None:
        return dict(one.metrics)
    return {**one.metrics, "copy_s": one.observed.copy_s}


def _outputs(
    selected: Observed | None, baseline: Observed | None, unchecked: Mapping[str, str]
) -> TunedOutputs | None:
    if not selected or not baseline or not selected.output_error or not baseline.output_error:
        return None
    return TunedOutputs(
        max_abs_error=selected.output_error.max_abs_error,
        baseline_max_abs_error=baseline.output_error.max_abs_error,
        checked=tuple(name for name in selected.output_error.compared if name not in unchecked)
        if unchecked
        else msgspec.UNSET,
        unchecked=dict(unchecked) or msgspec.UNSET,
    )


def _pareto(request: TuneRequest, result: TuningResult) -> tuple[ParetoPoint, ...]:
    if len(request.objectives) < 2:
        return ()
    front = front_of(result.points, request.objectives)
    knee = knee_of(front, request.objectives)
    return tuple(_pareto_point(request, result, point, front, point is knee) for point in front)


def _pareto_point(
    request: TuneRequest, result: TuningResult, point: Point, front: Sequence[Point], is_knee: bool
) -> ParetoPoint:
    observed = point.observed
    return ParetoPoint(
        config=point.config.to_dict(),
        metrics=dict(point.metrics),
        costs=costs_of(point, front, request.objectives),
        gains=gains_of(point, request.objectives),
        proven=tuple(map(str, point.proven)),
        knee=is_knee or msgspec.UNSET,
        workload=_workload(request, point.config, observed) if observed else msgspec.UNSET,
        affinity=affinity_of(observed) or msgspec.UNSET,
        effective=observed.effective if observed else msgspec.UNSET,
        proof=(observed.proof if observed else None) or msgspec.UNSET,
        outputs=_outputs(observed, result.baseline.observed, result.unchecked) or msgspec.UNSET,
    )


def _storage(request: TuneRequest) -> str:
    return "study.db" if request.storage is None else public_url(request.storage)
