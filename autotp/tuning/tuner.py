"""Runs a whole tuning, stage by stage, and writes the result to the study and to tuned.yaml."""

import optuna

from autotp.errors import EnvironmentFailure
from autotp.findings.ceiling import Ceiling
from autotp.measuring.lock import machine_lock
from autotp.measuring.parent.pool import Workers
from autotp.measuring.samples.weather import RepeatLimit
from autotp.space.knobs.config import Config
from autotp.tuning.conclusion import gather, write_interrupted, write_result
from autotp.tuning.deadlines import search_end
from autotp.tuning.events import Listener, Waiting, WeatherCounted
from autotp.tuning.opening import Tuning, first_event, open_tuning, refuse_existing
from autotp.tuning.race.racer import Baselines
from autotp.tuning.request import TuneRequest
from autotp.tuning.stages.baselines import race_baselines, retire_baseline
from autotp.tuning.stages.candidates import Candidates, first_configs
from autotp.tuning.stages.ceiling import find_ceiling
from autotp.tuning.stages.exhaustive import measure_all
from autotp.tuning.stages.finals import FinalsResult, run_finals, skip_finals
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
        baselines = race_baselines(session, tuning.least_candidates)
        smallest_gain = measure_noise(session, baselines)
        session.bench.clock.tighten()
        ceiling = find_ceiling(session, baselines.best, tuning.space)
        candidates = _candidates(tuning, baselines, ceiling)
        result = _search_and_decide(tuning, baselines, candidates, smallest_gain)
        session.emit(_weather_counts(session.race.repeats, result.finals.repeats))
        write_result(tuning, gather(tuning, result, baselines, candidates.raced, ceiling))
        return result
    except KeyboardInterrupt:
        try:
            write_interrupted(tuning, baselines)
        finally:
            session.study.abandon()
        raise


def _search_and_decide(
    tuning: Tuning, baselines: Baselines, candidates: Candidates, smallest_gain: float
) -> FinalsResult:
    """Search for configs faster than `baselines`, then measure the best of them in the finals."""
    session = tuning.session
    end = search_end(session, baselines.all)
    if session.request.exhaustive:
        survivors = measure_all(session, candidates, baselines, end.latest)
    else:
        until = search(session, candidates, baselines, smallest_gain, end)
        survivors = play_off(session, candidates.survivors, baselines, until)
    retire_baseline(session, baselines.best)
    if reason := candidates.nothing_measured:
        result = skip_finals(session, baselines, reason)
    else:
        result = run_finals(session, survivors, baselines)
    session.study.abandon()
    session.study.note(aliases=candidates.aliases, spent_s=session.bench.clock.spent_s)
    return result


def _candidates(tuning: Tuning, baselines: Baselines, ceiling: Ceiling | None) -> Candidates:
    """Return what is to be searched: what is tried first, then what is proposed, or all the others at random."""
    session, proposer = tuning.session, tuning.proposer
    first = first_configs(session, proposer, tuning.space.topology, tuning.best_elsewhere, ceiling)

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
