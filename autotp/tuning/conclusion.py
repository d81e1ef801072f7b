"""What a tuning concludes: its result from all that was measured, written to the study and to tuned.yaml."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from autotp.deploy.headline import headline
from autotp.deploy.tuned import KnobEffect, Tuned, write_tuned
from autotp.errors import EnvironmentFailure, InputError, TunedError
from autotp.files.atomic import writable_folder
from autotp.files.yaml_loader import to_type
from autotp.findings.ceiling import Ceiling
from autotp.findings.interval import UNITY
from autotp.findings.ruling import Ruling
from autotp.measuring.verdict import Verdict
from autotp.space.knobs.config import Config
from autotp.tuning.events import VerdictReached
from autotp.tuning.opening import Tuning, versions
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.request import TuneRequest
from autotp.tuning.result.importance import importance_of
from autotp.tuning.result.kept import proven_in
from autotp.tuning.result.pareto import Point
from autotp.tuning.result.tuned_content import MeasuredConfig, TuningResult, build_tuned
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import HINTS
from autotp.tuning.stages.effects import effects_of
from autotp.tuning.stages.finals import FinalsResult, final_metrics
from autotp.tuning.study.study import Role


def gather(
    tuning: Tuning,
    result: FinalsResult,
    baselines: Baselines,
    raced: Sequence[Racer],
    ceiling: Ceiling | None = None,
) -> TuningResult:
    """Return the whole result: the winner with its figures of the finals, else a baseline.

    `raced` are the candidates that the search measured, and `ceiling` is what bounds their gains.
    """
    session = tuning.session
    best, winner, finals = baselines.best, result.verdict.winner, result.finals
    reference = best if winner is not None else result.fallback
    arms = {racer.key: racer for racer in (*baselines.all, *result.finalists)}
    measured = {
        key: final_metrics(session.request.objectives, finals, key, best.key)
        if finals.waves
        else session.race.metrics(racer)
        for key, racer in arms.items()
        if key not in finals.failures
    }
    baseline = MeasuredConfig(
        config=reference.config,
        observed=reference.observed,
        metrics=measured.get(reference.key, session.race.metrics(reference)),
    )
    selected = baseline
    effects: Sequence[KnobEffect] = ()
    importance: Mapping[str, float] = {}
    if winner is not None:
        selected = MeasuredConfig(
            config=winner.config,
            observed=arms[winner.key].observed,
            metrics=measured[winner.key],
            gain=finals.gain(winner.key, best.key),
            others={m: finals.gain(winner.key, best.key, m) for m in session.request.at_risk},
        )
        effects = effects_of(session.race, tuning.space, arms[winner.key], (*baselines.all, *raced))
        importance = importance_of(session.study.finished(Role.SEARCH), session.request.objective.maximize)
    in_finals = [(r.config, str(finals.failures[r.key])) for r in baselines.all if r.key in finals.failures]
    return msgspec.structs.replace(
        _with_study(session, result.verdict, selected, baseline),
        effects=effects,
        importance=importance,
        ceiling=ceiling,
        noise_floor=result.noise_floor,
        points=_points(session, result, arms, measured, best.key),
        left_out=result.left_out,
        unmeasured=(*baselines.unmeasured, *in_finals),
    )


def _points(
    session: Session,
    result: FinalsResult,
    arms: Mapping[str, Racer],
    measured: Mapping[str, Mapping[str, float]],
    best: str,
) -> list[Point]:
    """Return what the front is chosen from: every arm that was `measured`, with its gains over `best`."""
    return [
        Point(
            config=arms[key].config,
            metrics=metrics,
            log_gains={m: result.finals.log_gains(key, best, m) for m in session.request.objectives},
            proven=result.proven.get(key, ()),
            observed=arms[key].observed,
        )
        for key, metrics in measured.items()
    ]


def _with_study(
    session: Session, verdict: Verdict, selected: MeasuredConfig, baseline: MeasuredConfig
) -> TuningResult:
    return TuningResult(
        verdict=verdict,
        selected=selected,
        baseline=baseline,
        trials=session.study.trial_count,
        rounds=session.race.rounds,
        started=session.budget.started,
        duration_s=session.budget.elapsed_s(),
        unchecked=session.bench.unchecked,
    )


def write_interrupted(tuning: Tuning, baselines: Baselines | None) -> None:
    """Write tuned.yaml after an interrupt, with the best baseline so far."""
    session, best = tuning.session, baselines.best if baselines else None
    selected = MeasuredConfig(
        config=best.config if best else _likely_hint(session.request),
        observed=best.observed if best else None,
        metrics=session.race.metrics(best) if best and best.blocks else {},
        gain=UNITY,
    )
    verdict = Verdict(Ruling.UNKNOWN, reason="the tuning was stopped before the finals were done")
    found = _with_study(session, verdict, selected, selected)
    write_result(tuning, msgspec.structs.replace(found, unmeasured=baselines.unmeasured if baselines else ()))


def _likely_hint(request: TuneRequest) -> Config:
    return next(config for config in HINTS if config.get("performance_hint") == request.objective.hint)


def write_result(tuning: Tuning, found: TuningResult) -> None:
    """Write tuned.yaml: with this call's result, or, if that is UNKNOWN, with what an earlier call proved.

    If nothing alike was proven earlier, a proven result that the file holds stays as it is.
    """
    session, request = tuning.session, tuning.session.request
    tuned, path = build_tuned(request, tuning.topology, found, versions()), request.out / "tuned.yaml"
    if found.verdict.ruling is not Ruling.UNKNOWN:
        session.study.note(tuned=msgspec.to_builtins(tuned))  # first, so that an interrupt can't lose the result
    elif earlier := _earlier(session, tuned):
        study = msgspec.structs.replace(earlier.study, kept=found.verdict.reason)
        tuned = msgspec.structs.replace(earlier, study=study)
    elif kept := proven_in(path):
        session.emit(VerdictReached(tuned=tuned, path=str(path), kept=kept))
        return
    _write(path, tuned)
    session.emit(VerdictReached(tuned=tuned, path=str(path)))


def _write(path: Path, tuned: Tuned) -> None:
    """Write `tuned` to `path`, whose folder is created again if it was deleted.

    Raises:
        EnvironmentFailure: it can't be written; the text holds the result.
    """
    comment = headline(tuned)
    try:
        write_tuned(writable_folder(path.parent) / path.name, tuned, comment)
    except InputError as error:
        ruling, config = tuned.profiles[0].result.verdict, Config.of(tuned.profiles[0].config)
        found = f"{ruling.upper()}: {comment.splitlines()[0]}"
        raise EnvironmentFailure(
            f"{error} What would be in tuned.yaml: {found} The settings: {config}."
        ) from error


def _earlier(session: Session, tuned: Tuned) -> Tuned | None:
    """Return an earlier call's result with the same objective, constraints and OpenVINO as `tuned`; else None."""
    noted = session.study.noted("tuned")
    if noted is None:
        return None
    earlier = to_type(noted, Tuned, "the study", TunedError)
    alike = earlier.objective == tuned.objective and earlier.study.openvino == tuned.study.openvino
    return earlier if alike else None
