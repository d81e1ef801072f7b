"""Opens a tuning: checks all input before anything is written, then creates the study."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
import optuna

from autotp.errors import InfeasibleError, StudyError
from autotp.files.atomic import is_file, writable_folder
from autotp.measuring.jobs.job import Job
from autotp.measuring.jobs.preparation import choose_open_fields, read_model
from autotp.measuring.jobs.worker_bench import WorkerBench
from autotp.measuring.parent.pool import Workers
from autotp.options import spell
from autotp.runtime.models.digest import digest
from autotp.runtime.models.read import ModelInfo
from autotp.space.bound_space import BoundSpace, bind
from autotp.space.knobs.config import Config
from autotp.topology.health.health import health
from autotp.topology.probe import Topology, narrow, probe
from autotp.topology.tree.cpulist import format_cpulist
from autotp.tuning.budget import Budget, StoppableClock
from autotp.tuning.events import Listener, TuningBegan
from autotp.tuning.propose.proposer import Proposer
from autotp.tuning.propose.space_proposer import SpaceProposer
from autotp.tuning.request import TuneRequest
from autotp.tuning.session import Session
from autotp.tuning.study.elsewhere import best_elsewhere
from autotp.tuning.study.optuna_study import OptunaStudy
from autotp.tuning.study.owner import BEGAN, owner_facts, owner_in
from autotp.tuning.study.resilient_study import ResilientStudy
from autotp.tuning.study.storage_url import public_url, study_names
from autotp.tuning.study.study import Study

CHOSEN_FOR_SEED = "chosen_for_seed"  # the seed of the inputs that open fields were chosen with


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """An opened tuning, ready to run.

    Attributes:
        session: the state that its stages share.
        proposer: chooses which configs to try.
        space: the search space, bound to the CPUs that may be used.
        topology: the machine, and everything this process may use of it.
        best_elsewhere: the best configs of the tuning that this one starts from, the best first.
    """

    session: Session
    proposer: Proposer
    space: BoundSpace
    topology: Topology
    best_elsewhere: tuple[Config, ...] = ()

    @property
    def least_candidates(self) -> int:
        """How many candidates the search must measure at least."""
        return self.space.census().effective_configs if self.session.request.exhaustive else 1


def open_tuning(request: TuneRequest, listener: Listener, workers: Workers) -> tuple[Tuning, optuna.Study]:
    """Check the model, the space and the study, then create the folder, the study and the session.

    Returns:
        The tuning, whose session the caller must close, and Optuna's study.

    Raises:
        InputError: an option, the model, the space or the study can't be used; nothing has been written.
        InfeasibleError: nothing in the space can run here.
    """
    clock = StoppableClock()
    budget = Budget.start(request.budget_s, clock)
    refuse_existing(request)
    topology = probe()
    narrowed = topology if request.cpus is None else narrow(topology, tuple(sorted(set(request.cpus))))
    job = request.job(narrowed)
    info = read_model(workers, job)
    if request.baseline is not None:
        job.check(request.baseline, info.layers, "Your own settings can't be measured: ")
    space = bind(request.space, narrowed, request.allowed_precisions, info.layers, job.void_knobs)
    proposer = SpaceProposer(space, request.seed)
    if proposer.exhausted:
        raise InfeasibleError(_why_nothing_runs(space))
    elsewhere = () if request.warm_start is None else best_elsewhere(request.warm_start)
    open_fields = job.workload.open_fields
    if not request.resume:
        job = choose_open_fields(workers, job)  # it runs the model, which may fail: before anything is written
    identity = _identity(request, info, topology)
    writable_folder(request.out)
    recorded = OptunaStudy.open(request, identity, proposer)
    study = ResilientStudy(recorded, proposer, clock)
    if study.noted(BEGAN) is None:
        study.note(**owner_facts(request, budget.started))
    job = _settled(job, open_fields, study, workers)
    request = msgspec.structs.replace(request, workload=job.workload)
    bench = WorkerBench(job, space.predictor, workers, request.tolerance)
    session = Session(request, narrowed.envelope, study, bench, budget, listener)
    tuning = Tuning(session=session, proposer=proposer, space=space, topology=topology, best_elsewhere=elsewhere)
    return tuning, recorded.study


def first_event(tuning: Tuning) -> TuningBegan:
    """Return the first event of a tuning, and record in the study what may disturb its measurements."""
    request, census = tuning.session.request, tuning.space.census()
    advice = health(topology=tuning.topology, steal_sample_s=0.0)
    tuning.session.study.note(advice=advice)
    return TuningBegan(
        study=request.name,
        out=str(request.out),
        budget_s=request.budget_s,
        configs=census.configs,
        effective_configs=census.effective_configs,
        dropped=tuple((dropped.what, dropped.reason) for dropped in census.dropped),
        advice=advice,
        workload=request.workload,
        warm_start=_warm_start(tuning),
    )


def _warm_start(tuning: Tuning) -> tuple[int, int] | None:
    """Return how many of the best configs elsewhere this space holds, and how many there are."""
    if tuning.session.request.warm_start is None:
        return None
    held = [config for config in tuning.best_elsewhere if tuning.proposer.holds(config)]
    return len(held), len(tuning.best_elsewhere)


def versions() -> dict[str, str | None]:
    """Return the installed versions of autotp and OpenVINO."""
    return {name: _version(name) for name in ("autotp", "openvino")}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def refuse_existing(request: TuneRequest) -> None:
    """Refuse to touch an existing study unless the user chose `resume` or `fresh`.

    Raises:
        StudyError: the study exists, or its folder holds another one.
    """
    if request.storage is None and not is_file(request.out / "study.db"):
        return
    names = study_names(request.storage_place)
    if not names or request.fresh:
        return
    resume, fresh, study, out = spell("resume", True), spell("fresh", True), spell("study"), spell("out")
    if request.name in names:
        if not request.resume:
            shared = request.storage and f"the storage {public_url(request.storage)}"
            where, other = (shared, study) if shared else (request.out, out)
            raise StudyError(
                f"Study {request.name!r}{owner_in(request.storage_place, request.name)} exists in {where}: "
                f"use {resume} to go on with it or {fresh} to replace it; another {other} leaves it alone."
            )
    elif request.storage is None:
        raise StudyError(
            f"{request.out} holds study {names[0]!r}{owner_in(request.storage_place, names[0])}, not "
            f"{request.name!r}: use {fresh} to replace it, {resume} with its name to go on with it, "
            f"or another {out}."
        )


def _settled(job: Job, open_fields: Sequence[str], study: Study, workers: Workers) -> Job:
    """Return `job` with every open choice of its workload made: as an earlier call recorded it, else now.

    Where a choice has been made just now, it is recorded for later calls.
    """
    known = {name: value for name in open_fields if (value := study.noted(name)) is not None}
    is_for_seed = not job.workload.chosen_from_seed or study.noted(CHOSEN_FOR_SEED) == job.workload.seed
    if len(known) == len(open_fields) and is_for_seed:
        return msgspec.structs.replace(job, workload=job.workload.with_chosen(known))
    job = choose_open_fields(workers, job)
    chosen = {name: getattr(job.workload, name) for name in open_fields}
    study.note(**chosen, **{CHOSEN_FOR_SEED: job.workload.seed})
    return job


def _why_nothing_runs(space: BoundSpace) -> str:
    """Return the error for an empty space; reasons against combinations come before those against values."""
    dropped = space.census().dropped
    reasons = [f"{d.what}: {d.reason}" for d in dropped]
    combined = [d.reason for d in dropped if d.configs is not None]
    return f"Nothing in space {space.name!r} can run here: {'; '.join(combined or reasons) or 'it is empty'}."


def _identity(request: TuneRequest, info: ModelInfo, topology: Topology) -> dict[str, Any]:
    """Return the facts that two calls must share for their trials to be comparable."""
    facts = {
        "machine": topology.fingerprint.id,
        "model": msgspec.to_builtins(digest(request.files)),
        "inputs": info.inputs,
        "objectives": [str(metric) for metric in request.objectives],
        "cpus": None if request.cpus is None else format_cpulist(request.cpus),
        **request.workload.identity(),
    }
    stored: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(facts))
    return stored
