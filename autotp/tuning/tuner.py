"""The tuning itself: baselines, search, finals, verdict; what it finds goes to the study and to tuned.yaml."""

from collections.abc import Sequence

import msgspec
import optuna

from autotp.deploy.headline import headline
from autotp.deploy.tuned import Tuned, write_tuned
from autotp.errors import TunedError
from autotp.files import to_type
from autotp.findings import UNITY, Metric, Ruling
from autotp.measuring.lock import machine_lock
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.waves import seconds_needed
from autotp.measuring.samples.weather import Patience
from autotp.measuring.verdict import Verdict
from autotp.space import Config
from autotp.tuning.events import Listener, Ruled, Waiting, Weathered
from autotp.tuning.race.race import Racer
from autotp.tuning.request import TuneRequest
from autotp.tuning.result.pareto import Point
from autotp.tuning.result.tuned_content import Evidence, Shipped, build_tuned
from autotp.tuning.session import Session, began, open_session, refuse_existing, versions
from autotp.tuning.stages.baselines import HINTS, gauge_noise, race_baselines, retire_baseline
from autotp.tuning.stages.finals import Closing, final_metrics, rounds_wanted, run_finals, skip_finals
from autotp.tuning.stages.playoff import play_off
from autotp.tuning.stages.search import Hunt
from autotp.tuning.study.storage_url import talking_to

SEARCH_SHARE = 0.55  # of the budget at most; the finals get the rest, and what the search leaves
LEAST_SEARCH_SHARE = 0.3  # of what the baselines leave


def run(request: TuneRequest, listener: Listener) -> optuna.Study:
    """Run one tuning within its budget and write tuned.yaml into the request's folder.

    On Ctrl-C the study is left so that `resume` can go on, tuned.yaml holds the best proven so far, and the
    interrupt is raised again.

    Args:
        request: what the person asked for.
        listener: is told each event as it happens.

    Returns:
        Optuna's study; its attribute `tuned` is the content of tuned.yaml.

    Raises:
        InputError: of the kind that fits; nothing has been written.
        InfeasibleError: nothing can run here.
        EnvironmentFailure: the baseline or the storage failed, or another one measures and isn't waited for.
    """
    refuse_existing(request)  # nobody waits for the lock only to hear of that
    lock = machine_lock(
        f"autotp tune {request.files.path.name}",
        request.no_wait,
        lambda holder: listener(Waiting(holder=holder)),
    )
    with lock, Workers() as workers:
        session = open_session(request, listener, workers)
        try:
            conduct(session)
        finally:
            session.close()
    return session.store.study


def conduct(session: Session) -> Closing:
    """Race the baselines, search, run the finals, rule, write what is found and return it."""
    baselines: list[Racer] = []
    try:
        session.tell(began(session))
        baselines = race_baselines(session)
        gauge_noise(session, baselines[0])
        session.bench.clock.tighten()
        hunt = Hunt(session, baselines)
        until = _search_until(session, baselines)
        hunt.run(until)
        contenders = play_off(session, hunt.contenders, baselines, until)
        for racer in baselines:
            retire_baseline(session, racer)
        if reason := hunt.nothing_measured:
            closing = skip_finals(session, baselines, reason)
        else:
            closing = run_finals(session, contenders, baselines)
        session.store.abandon()
        session.store.note(aliases=hunt.aliases, spent_s=session.bench.clock.spent_s)
        session.tell(_weathered(session.race.patience, closing.finals.patience))
        _ship(session, _evidence(session, closing, baselines))
        return closing
    except KeyboardInterrupt:
        try:
            _ship_interrupted(session, baselines)
        finally:
            session.store.abandon()
        raise


def _weathered(*parts: Patience) -> Weathered:
    return Weathered(
        blocks=sum(part.blocks for part in parts),
        repeated=sum(part.repeated for part in parts),
        kept=sum(part.kept for part in parts),
    )


def _search_until(session: Session, baselines: list[Racer]) -> float:
    """Return when the search must end for the finals to be worth having: one finalist, the A/A twin."""
    block_s = session.race.seconds_a_block(baselines)
    wanted = rounds_wanted(session, baselines)
    needed_s = seconds_needed(len(baselines) + 2, session.bench.arm_start_s, block_s, wanted)
    now, end = session.now(), session.at(1.0)
    return max(now + LEAST_SEARCH_SHARE * (end - now), min(session.at(SEARCH_SHARE), end - needed_s))


def _evidence(session: Session, closing: Closing, baselines: list[Racer]) -> Evidence:
    """Gather what ships: the winner with the finals' figures, else the baseline to fall back on."""
    best, winner, finals = baselines[0], closing.verdict.winner, closing.finals
    reference = best if winner is not None else closing.fallback
    arms = {racer.key: racer for racer in (*baselines, *closing.finalists)}
    measured = {
        key: final_metrics(session, finals, key, best.key) if finals.waves else session.race.metrics(racer)
        for key, racer in arms.items()
        if key not in finals.failures
    }
    baseline = Shipped(
        config=reference.config,
        observed=reference.observed,
        metrics=measured.get(reference.key, session.race.metrics(reference)),
    )
    shipped = baseline
    if winner is not None:
        shipped = Shipped(
            config=winner.config,
            observed=arms[winner.key].observed,
            metrics=measured[winner.key],
            gain=finals.gain(winner.key, best.key),
            others={m: finals.gain(winner.key, best.key, m) for m in session.request.unasked},
        )
    points = [
        Point(
            config=arms[key].config,
            metrics=metrics,
            log_gains={m: finals.log_gains(key, best.key, m) for m in session.request.objectives},
        )
        for key, metrics in measured.items()
    ]
    return _with_study(session, closing.verdict, shipped, baseline, closing.noise_floor, points, closing.left_out)


def _with_study(
    session: Session,
    verdict: Verdict,
    shipped: Shipped,
    baseline: Shipped,
    noise_floor: float | None = None,
    points: Sequence[Point] = (),
    left_out: Sequence[Metric] = (),
) -> Evidence:
    with talking_to(session.request.storage_url):
        trials = len(session.store.study.get_trials(deepcopy=False))
    return Evidence(
        verdict=verdict,
        shipped=shipped,
        baseline=baseline,
        noise_floor=noise_floor,
        points=points,
        left_out=left_out,
        trials=trials,
        rounds=session.race.rounds,
        started=session.started,
        duration_s=session.elapsed_s(),
    )


def _ship_interrupted(session: Session, baselines: list[Racer]) -> None:
    """Write what is known so far."""
    best = baselines[0] if baselines else None
    shipped = Shipped(
        config=best.config if best else _likely_hint(session.request),
        observed=best.observed if best else None,
        metrics=session.race.metrics(best) if best and best.blocks else {},
        gain=UNITY,
    )
    verdict = Verdict(Ruling.UNKNOWN, reason="the tuning was stopped before the finals were done")
    _ship(session, _with_study(session, verdict, shipped, shipped))


def _likely_hint(request: TuneRequest) -> Config:
    return next(config for config in HINTS if config.get("performance_hint") == request.objective.hint)


def _ship(session: Session, evidence: Evidence) -> None:
    """Write tuned.yaml: what was found, or, where this call can't tell, what an earlier one proved."""
    request = session.request
    tuned, path = build_tuned(request, session.topology, evidence, versions()), request.out / "tuned.yaml"
    if evidence.verdict.ruling is not Ruling.UNKNOWN:
        session.store.note(tuned=msgspec.to_builtins(tuned))  # first: an interrupt mustn't lose what is proven
    elif earlier := _earlier(session, tuned):
        study = msgspec.structs.replace(earlier.study, kept=evidence.verdict.reason)
        tuned = msgspec.structs.replace(earlier, study=study)
    write_tuned(path, tuned, headline(tuned))
    session.tell(Ruled(tuned=tuned, path=str(path)))


def _earlier(session: Session, tuned: Tuned) -> Tuned | None:
    """Return what an earlier call proved under the objective, the constraints and the OpenVINO of `tuned`."""
    with talking_to(session.request.storage_url):
        found = session.store.study.user_attrs.get("tuned")
    if found is None:
        return None
    earlier = to_type(found, Tuned, "the study", TunedError)
    alike = earlier.objective == tuned.objective and earlier.study.openvino == tuned.study.openvino
    return earlier if alike else None
