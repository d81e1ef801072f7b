"""What one call of tune holds on to, opened so that bad input is found before anything is written."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import Any

import msgspec
from optuna.trial import Trial

from autotp.errors import InfeasibleError, SpaceError, StudyError
from autotp.files import writable_folder
from autotp.measuring.bench import Bench, WorkerBench
from autotp.measuring.failure import ArmFailure
from autotp.measuring.job import Job
from autotp.measuring.parent.pool import Workers
from autotp.measuring.preparation import inspect, settled
from autotp.measuring.rounds.blocks import LONGEST_BLOCK_SHARE, Blocks
from autotp.runtime import ModelInfo, digest
from autotp.space import BoundSpace, Config, bind
from autotp.topology import Topology, format_cpulist, health, narrow, probe
from autotp.tuning.constraints import violations
from autotp.tuning.events import ArmEnded, Began, Listener
from autotp.tuning.propose.proposer import Proposer
from autotp.tuning.race.race import Race, Racer
from autotp.tuning.request import TuneRequest
from autotp.tuning.study.block_columns import Row
from autotp.tuning.study.storage_url import study_names
from autotp.tuning.study.study import Store


class Session:
    """The parts of a tuning in progress and its clock. `close` stops every arm.

    Attributes:
        known: the trial of each arm that was started, by what it was observed to be; its aliases cost nothing.
    """

    def __init__(
        self, request: TuneRequest, topology: Topology, bound: BoundSpace, store: Store, proposer: Proposer,
        bench: Bench, listener: Listener, now: Callable[[], float], started_s: float,
    ) -> None:  # fmt: skip
        self.request = request
        self.topology = topology
        self.bound = bound
        self.store = store
        self.proposer = proposer
        self.bench = bench
        self.now = now
        blocks = Blocks.within(bound.topology.envelope, request.workload)
        self.race = Race(request.objectives, request.seed, blocks, request.budget_s * LONGEST_BLOCK_SHARE, now)
        self.tell = listener
        self.known: dict[object, int] = {}
        self.started = datetime.now(UTC).isoformat(timespec="seconds")
        self._started_s = started_s

    def elapsed_s(self) -> float:
        """Seconds since the call began."""
        return self.now() - self._started_s

    def at(self, share: float) -> float:
        """Return the monotonic time at which `share` of the budget is used."""
        return self._started_s + share * self.request.budget_s

    def keeps_constraints(self, racer: Racer) -> bool:
        """Whether `racer`, as far as it has been measured, keeps every constraint."""
        constraints = self.request.constraints
        if not constraints:
            return True
        return all(violation <= 0 for violation in violations(constraints, self.race.metrics(racer)).values())

    def keeping(self, racers: Sequence[Racer]) -> list[Racer]:
        """Return those of `racers` that keep every constraint as far as measured, all if none does."""
        return [racer for racer in racers if self.keeps_constraints(racer)] or list(racers)

    def complete(self, trial: Trial, racer: Racer, rows: list[Row]) -> bool:
        """Record and tell what `racer` did in `trial`, `rows`; return whether it keeps every constraint."""
        metrics, gain = self.race.metrics(racer), self.race.standing(racer).interval
        self.store.describe(trial, gain=gain)
        self.store.complete(trial, metrics, rows)
        broken = [text for text, v in violations(self.request.constraints, metrics).items() if v > 0]
        proof = racer.observed.proof
        self.tell(
            ArmEnded(
                trial=trial.number,
                config=racer.config.to_dict(),
                status="OK",
                gain=gain,
                rounds=len(rows),
                proof=proof.state if proof else None,
                reason=f"breaks {', '.join(broken)}" if broken else None,
            )
        )
        return not broken

    def fail(self, trial: Trial, config: Config, failure: ArmFailure) -> None:
        """Record and tell that the arm of `trial` failed."""
        self.store.fail(trial, failure)
        self.tell(
            ArmEnded(trial=trial.number, config=config.to_dict(), status=failure.status, reason=failure.message)
        )

    def close(self) -> None:
        """Stop every arm and delete temporary files."""
        self.bench.close()


def open_session(request: TuneRequest, listener: Listener, workers: Workers) -> Session:
    """Check the model, the space and the study, then create what is needed.

    Raises:
        InputError: of the kind that fits; nothing has been written.
        InfeasibleError: nothing in the space can run here.
    """
    started_s = monotonic()
    refuse_existing(request)
    topology = probe()
    narrowed = topology if request.cpus is None else narrow(topology, tuple(sorted(set(request.cpus))))
    job = request.job(narrowed)
    info = inspect(workers, request.files, request.shapes)
    request.workload.check_inputs(info)
    _check_baseline(request, job, info)
    bound = bind(request.space, narrowed, request.allowed_precisions, info.layers, job.void_knobs)
    proposer = Proposer(bound, request.seed)
    if proposer.exhausted:
        raise InfeasibleError(_nothing_runs(bound))
    identity = _identity(request, info, topology)
    writable_folder(request.out)
    store = Store.open(request, identity, proposer)
    if request.fresh:
        (request.out / "tuned.yaml").unlink(missing_ok=True)
    job = _settled(job, store, workers)
    request = msgspec.structs.replace(request, workload=job.workload)
    bench = WorkerBench(job, bound.predictor, workers, request.tolerance)
    return Session(request, topology, bound, store, proposer, bench, listener, monotonic, started_s)


def began(session: Session) -> Began:
    """Return the first event of a tuning, and keep in the study what may disturb it."""
    request, census = session.request, session.bound.census()
    advice = health(topology=session.topology, steal_sample_s=0.0)
    session.store.note(advice=advice)
    return Began(
        study=request.name,
        out=str(request.out),
        budget_s=request.budget_s,
        configs=census.configs,
        effective_configs=census.effective_configs,
        dropped=tuple((dropped.what, dropped.reason) for dropped in census.dropped),
        advice=advice,
        workload=request.workload,
    )


def versions() -> dict[str, str | None]:
    """Return the installed versions of autotp and OpenVINO."""
    return {name: _version(name) for name in ("autotp", "openvino")}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def refuse_existing(request: TuneRequest) -> None:
    """Refuse a study that is there already, unless the person says what to do with it.

    Raises:
        StudyError: it is there, or another one is in its place.
    """
    if request.storage is None and not (request.out / "study.db").is_file():
        return
    names = study_names(request.storage_url)
    if not names or request.fresh:
        return
    if request.name in names:
        if not request.resume:
            raise StudyError(
                f"Study {request.name!r} exists in {request.out}: "
                "use --resume to go on with it or --fresh to replace it."
            )
    elif request.storage is None:
        raise StudyError(
            f"{request.out} holds study {names[0]!r}, not {request.name!r}: use --fresh to replace it, "
            "--resume with its name to go on with it, or another --out."
        )


def _settled(job: Job, store: Store, workers: Workers) -> Job:
    """Return `job` with what its workload left open as an earlier call chose it, else chosen now and kept."""
    open_fields = job.workload.open
    known = {name: value for name in open_fields if (value := store.noted(name)) is not None}
    if len(known) == len(open_fields):
        return msgspec.structs.replace(job, workload=job.workload.chosen(known))
    job = settled(workers, job)
    store.note(**{name: getattr(job.workload, name) for name in open_fields})
    return job


def _check_baseline(request: TuneRequest, job: Job, info: ModelInfo) -> None:
    """Refuse own settings that can't run here or mean nothing, before a study is made."""
    own = request.baseline
    if own is not None:
        job.masks(own)
        job.refuse_void(own, "Your own settings mean nothing: ")
        if own.graph_split and (reason := own.graph_split.why_not(info.layers)):
            raise SpaceError(f"Your own settings ({own}) can't run here: {reason}.")


def _nothing_runs(bound: BoundSpace) -> str:
    """Return why; what some values alone lack isn't it where it's the combinations that don't go."""
    dropped = bound.census().dropped
    reasons = [f"{d.what}: {d.reason}" for d in dropped]
    combined = [d.reason for d in dropped if d.configs is not None]
    return f"Nothing in space {bound.name!r} can run here: {'; '.join(combined or reasons) or 'it is empty'}."


def _identity(request: TuneRequest, info: ModelInfo, topology: Topology) -> dict[str, Any]:
    """Return what two calls must share for their trials to be comparable."""
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
