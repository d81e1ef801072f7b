"""Runs a whole tuning, stage by stage, and writes the result to the study and to tuned.yaml."""

from pathlib import Path

import msgspec
import optuna

from autotp.deploy.headline import headline
from autotp.deploy.tuned import Tuned, write_tuned
from autotp.errors import EnvironmentFailure, InputError, TunedError
from autotp.files.atomic import writable_folder
from autotp.files.yaml_loader import to_type
from autotp.findings.interval import UNITY
from autotp.findings.ruling import Ruling
from autotp.measuring.lock import machine_lock
from autotp.measuring.parent.pool import Workers
from autotp.measuring.samples.weather import RepeatLimit
from autotp.measuring.verdict import Verdict
from autotp.space.knobs.config import Config
from autotp.tuning.deadlines import check_budget, search_until
from autotp.tuning.events import Listener, VerdictReached, Waiting, WeatherCounted
from autotp.tuning.opening import Tuning, first_event, open_tuning, refuse_existing, versions
from autotp.tuning.race.racer import Baselines
from autotp.tuning.request import TuneRequest
from autotp.tuning.result.kept import proven_in
from autotp.tuning.result.pareto import Point
from autotp.tuning.result.tuned_content import MeasuredConfig, TuningResult, build_tuned
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import HINTS, race_baselines, retire_baseline
from autotp.tuning.stages.candidates import Candidates, first_configs
from autotp.tuning.stages.exhaustive import measure_all
from autotp.tuning.stages.finals import FinalsResult, final_metrics, run_finals, skip_finals
from autotp.tuning.stages.noise import measure_noise
from autotp.tuning.stages.playoff import play_off
from autotp.tuning.stages.search import search
from autotp.tuning.study.study import Trial


def run(request: TuneRequest, listener: Listener) -> optuna.Study:
    """Run one tuning within its budget and write tuned.yaml into the request's folder.

    If the storage is lost once the tuning has begun, the tuning goes on to its verdict without it.

    On Ctrl-C the study can be continued with `resume`, tuned.yaml holds the best result proven so far, and the
    interrupt is raised again.

    Args:
        request: what the user requested.
        listener: called with each event as it happens.

    Returns:
        Optuna's study. Once a WIN or TIE was reached, its attribute `tuned` is the content of tuned.yaml.

    Raises:
        InputError: the request can't be carried out as given; nothing has been written.
        InfeasibleError: nothing in the space can run here.
        EnvironmentFailure: the baseline failed, the storage failed (if that happened after the tuning had begun,
            tuned.yaml has been written), tuned.yaml can't be written, or another process measures and `no_wait`
            is set.
    """
    refuse_existing(request)  # checked before waiting for the lock
    lock = machine_lock(
        f"autotp tune {request.files.path.name}",
        request.no_wait,
        lambda holder: listener(Waiting(holder=holder)),
    )
    with lock, Workers() as workers:
        tuning, study = open_tuning(request, listener, workers)
        try:
            run_stages(tuning)
        finally:
            tuning.session.close()
    if lost := tuning.session.study.lost:
        raise EnvironmentFailure(
            f"{lost} The tuning went on: the result is in {request.out / 'tuned.yaml'}, not in the study."
        ) from lost
    return study


def run_stages(tuning: Tuning) -> FinalsResult:
    """Run all stages, write the result, and return what the finals found.

    If the storage of the study is lost meanwhile, the stages go on without it.
    """
    session = tuning.session
    baselines: Baselines | None = None
    try:
        session.emit(first_event(tuning))
        baselines = race_baselines(session)
        check_budget(session, baselines.sound, tuning.least_candidates)
        smallest_gain = measure_noise(session, baselines)
        session.bench.clock.tighten()
        result = _search_and_decide(tuning, baselines, smallest_gain)
        session.emit(_weather_counts(session.race.repeats, result.finals.repeats))
        _write_result(tuning, _gather(session, result, baselines))
        return result
    except KeyboardInterrupt:
        try:
            _write_interrupted(tuning, baselines)
        finally:
            session.study.abandon()
        raise


def _search_and_decide(tuning: Tuning, baselines: Baselines, smallest_gain: float) -> FinalsResult:
    """Search for configs faster than `baselines`, then measure the best of them in the finals."""
    session = tuning.session
    candidates = _candidates(tuning, baselines)
    until = search_until(session, baselines.sound)
    if session.request.exhaustive:
        survivors = measure_all(session, candidates, baselines, until)
    else:
        search(session, candidates, baselines, smallest_gain, until)
        survivors = play_off(session, candidates.survivors, baselines, until)
    for racer in baselines.sound:
        retire_baseline(session, racer)
    if reason := candidates.nothing_measured:
        result = skip_finals(session, baselines, reason)
    else:
        result = run_finals(session, survivors, baselines)
    session.study.abandon()
    session.study.note(aliases=candidates.aliases, spent_s=session.bench.clock.spent_s)
    return result


def _candidates(tuning: Tuning, baselines: Baselines) -> Candidates:
    """Return what is to be searched: what is tried first, then what is proposed, or all the others at random."""
    session, proposer = tuning.session, tuning.proposer
    first = first_configs(session, proposer, tuning.space.topology, tuning.best_elsewhere)

    def draw() -> tuple[Trial, Config]:
        config = proposer.draw()
        return session.study.begin_known(config), config

    propose = draw if session.request.exhaustive else session.study.propose
    return Candidates(session, proposer, baselines, first, propose)


def _weather_counts(*parts: RepeatLimit) -> WeatherCounted:
    return WeatherCounted(
        blocks=sum(part.blocks for part in parts),
        repeated=sum(part.repeated for part in parts),
        kept=sum(part.kept for part in parts),
    )


def _gather(session: Session, result: FinalsResult, baselines: Baselines) -> TuningResult:
    """Return the whole result: the winner with its figures of the finals, else a baseline."""
    best, winner, finals = baselines.best, result.verdict.winner, result.finals
    reference = best if winner is not None else result.fallback
    arms = {racer.key: racer for racer in (*baselines.sound, *result.finalists)}
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
    if winner is not None:
        selected = MeasuredConfig(
            config=winner.config,
            observed=arms[winner.key].observed,
            metrics=measured[winner.key],
            gain=finals.gain(winner.key, best.key),
            others={m: finals.gain(winner.key, best.key, m) for m in session.request.at_risk},
        )
    points = [
        Point(
            config=arms[key].config,
            metrics=metrics,
            log_gains={m: finals.log_gains(key, best.key, m) for m in session.request.objectives},
            proven=result.proven.get(key, ()),
            observed=arms[key].observed,
        )
        for key, metrics in measured.items()
    ]
    in_finals = [(r.config, str(finals.failures[r.key])) for r in baselines.sound if r.key in finals.failures]
    return msgspec.structs.replace(
        _with_study(session, result.verdict, selected, baseline),
        noise_floor=result.noise_floor,
        points=points,
        left_out=result.left_out,
        unmeasured=(*baselines.unmeasured, *in_finals),
    )


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


def _write_interrupted(tuning: Tuning, baselines: Baselines | None) -> None:
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
    _write_result(tuning, msgspec.structs.replace(found, unmeasured=baselines.unmeasured if baselines else ()))


def _likely_hint(request: TuneRequest) -> Config:
    return next(config for config in HINTS if config.get("performance_hint") == request.objective.hint)


def _write_result(tuning: Tuning, found: TuningResult) -> None:
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
