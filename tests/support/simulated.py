"""Simulates a whole tuning on recorded rounds: the real stages, with a simulated clock instead of waiting.

The race, the search, the baselines, the finals, the waves and the verdict are the real code. Simulated are the
arms, which replay recorded blocks (`replayed.py`), the bench that makes them, the study, which is kept in memory,
the proposer, which proposes the configs of a list, and the clock. The choice of the block length isn't simulated:
a recording holds blocks of one length, so the baseline runs against itself with that length only.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec

from autotp.findings.metric import METRICS
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.bench import Bench, FirstLook
from autotp.measuring.jobs.observed import Observed, Outcome
from autotp.measuring.rounds import noise
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.waves import AA
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.workload import BLOCK_S
from autotp.runtime.models.model_files import locate
from autotp.space.bound_space import BoundSpace, bind
from autotp.space.knobs.config import Config
from autotp.space.schema.space_file import Space, load_space
from autotp.topology.probe import Topology, probe
from autotp.tuning.budget import Budget
from autotp.tuning.events import Event
from autotp.tuning.opening import Tuning
from autotp.tuning.propose.proposer import Proposer
from autotp.tuning.race.racer import Baselines
from autotp.tuning.request import TuneRequest
from autotp.tuning.session import Session
from autotp.tuning.stages.candidates import Candidates, first_configs
from autotp.tuning.stages.finals import FinalsResult
from autotp.tuning.study.block_columns import Row
from autotp.tuning.study.study import PastTrial, Role, Study, Trial
from autotp.tuning.tuner import run_stages
from tests.support.replayed import Clock, Processes, Recording, ReplayedArm
from tests.support.workerless import WorkerlessBench, observed_as

HINTS = tuple(Config.of({"performance_hint": hint}) for hint in ("latency", "throughput"))


class SimulatedBench(WorkerlessBench):
    """Makes replayed arms: those of the search live until it ends, those of a wave until the next one."""

    def __init__(
        self, recording: Recording, speeds: Mapping[Config, float], clock: Clock, rng: random.Random
    ) -> None:
        self.arm_start_s = recording.arm_start_s
        self._recording, self._speeds, self._clock, self._rng = recording, speeds, clock, rng
        self._search = Processes(recording, rng)
        self._wave = Processes(recording, rng)

    def arm(self, config: Config, checked: bool = True) -> Arm:
        """Return an arm of the present wave."""
        if self._wave.over:
            self._wave = Processes(self._recording, self._rng)
        return self._replayed(config, self._wave)

    def start(self, configs: Sequence[Config], gated: bool = True) -> list[tuple[Arm, Outcome]]:
        """Start arms of the search; the third hint is an alias of the first."""
        return [self._start(config) for config in configs]

    def first_look(self, config: Config, blocks: BlockSettings) -> FirstLook | None:
        """Start an arm, run a block and stop it, on the simulated clock."""
        arm, began = self.arm(config, checked=False), self._clock()
        arm.launch()
        arm.warm_up()
        look = FirstLook(self._clock() - began, blocks.run(arm))
        arm.stop()
        return look

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.now_s += seconds

    @property
    def room(self) -> int:
        """How many arms fit into memory: as many as were recorded."""
        return self._recording.arms

    def _start(self, config: Config) -> tuple[Arm, Outcome]:
        arm = self._replayed(config, self._search)
        arm.launch()
        arm.warm_up()
        return arm, observed_as(config if config.get("performance_hint") != "none" else HINTS[0])

    def _replayed(self, config: Config, processes: Processes) -> Arm:
        return ReplayedArm(processes, self._clock, self._recording, self._speeds.get(config, 1.0))


class ListedProposer:
    """Proposes the configs of a list, in their order."""

    def __init__(self, configs: Sequence[Config]) -> None:
        self.left = list(configs)

    @property
    def exhausted(self) -> bool:
        """Whether the list is empty."""
        return not self.left

    def holds(self, config: Config) -> bool:
        """Whether `config` is still in the list."""
        return config in self.left

    def take(self, config: Config) -> None:
        """Never propose `config` again."""
        if config in self.left:
            self.left.remove(config)

    def find(self, settings: dict[str, Any]) -> Config | None:
        """Return None, so that the search begins with the list."""
        return None

    def draw(self) -> Config:
        """Return the next config of the list."""
        return self.left[0]

    def learn(self, config: Config, failed: bool) -> None:
        """Do nothing."""


class SimulatedTrial(msgspec.Struct):
    """A trial in a simulated study."""

    role: Role
    config: Config
    dropped: bool = False
    failure: ArmFailure | None = None


class SimulatedStudy:
    """A study in memory; it records each trial's config, whether it was dropped, and how it failed."""

    def __init__(self, proposer: ListedProposer) -> None:
        self.trials: list[SimulatedTrial] = []
        self.attributes: dict[str, Any] = {}
        self._proposer = proposer

    @property
    def lost(self) -> None:
        """Nothing: this study has no storage that could be lost."""

    @property
    def trial_count(self) -> int:
        """How many trials there are."""
        return len(self.trials)

    def propose(self) -> tuple[Trial, Config]:
        """Take the next config of the list."""
        config = self._proposer.left[0]
        return self.begin(Role.SEARCH, config), config

    def chance_of_better(self, by: float, beside: float) -> float | None:
        """Nothing is known: the configs of a list have no likeness."""

    def begin(self, role: Role, config: Config) -> Trial:
        """Begin a trial."""
        self.trials.append(SimulatedTrial(role, config))
        return Trial(len(self.trials) - 1)

    def begin_known(self, config: Config) -> Trial:
        """Begin a trial of the search."""
        return self.begin(Role.SEARCH, config)

    def describe(self, trial: Trial, **attributes: Any) -> None:
        """Record whether the trial was dropped."""
        kept = self.trials[trial.number]
        kept.dropped = attributes.get("dropped", kept.dropped)

    def describe_observed(self, trial: Trial, observed: Observed) -> None:
        """Do nothing."""

    def alias(self, trial: Trial, of: int) -> None:
        """Do nothing."""

    def complete(self, trial: Trial, metrics: Mapping[str, float], rows: Sequence[Row]) -> None:
        """Do nothing."""

    def fail(self, trial: Trial, failure: ArmFailure) -> None:
        """Record the failure."""
        self.trials[trial.number].failure = failure

    def abandon(self) -> None:
        """Do nothing."""

    def heartbeat(self) -> None:
        """Do nothing."""

    def note(self, **attributes: Any) -> None:
        """Record the attributes."""
        self.attributes.update(attributes)

    def noted(self, name: str) -> Any:
        """Return a recorded attribute."""
        return self.attributes.get(name)

    def finished(self, role: Role) -> list[PastTrial]:
        """Return nothing: there are no earlier calls."""
        return []

    def failed(self) -> list[PastTrial]:
        """Return nothing: there are no earlier calls."""
        return []


class Simulated(msgspec.Struct, frozen=True):
    """The result of a simulated tuning, its baselines (the best first), and what the search dropped."""

    result: FinalsResult
    baselines: tuple[str, ...]
    dropped: frozenset[Config]
    duration_s: float


def candidates(count: int) -> tuple[Config, ...]:
    """Return `count` different configs."""
    return tuple(Config.of({"num_streams": 1 + number % 2, "nireq": 1 + number}) for number in range(count))


def simulated_tuning(
    recording: Recording, speeds: Mapping[Config, float], model: Path, out: Path, seed: int = 0, **given: Any
) -> Tuning:
    """Return a simulated tuning that is ready to run.

    Args:
        recording: where the noise comes from.
        speeds: the true rate of each candidate; a hint's is 1 where it isn't given.
        model: a model file; it is hashed, not run.
        out: the folder that tuned.yaml is written to.
        seed: of all random numbers.
        given: other fields of the request, such as `budget_s`.
    """
    request = simulated_request(model, out, seed, **given)
    clock, rng = Clock(), random.Random(request.seed)
    listed = [config for config in speeds if config not in HINTS]
    proposer = ListedProposer(rng.sample(listed, len(listed)))
    bench = SimulatedBench(recording, speeds, clock, rng)
    return assembled(request, clock, bench, proposer, SimulatedStudy(proposer))


def simulated_request(model: Path, out: Path, seed: int, **given: Any) -> TuneRequest:
    """Return the request of a simulated tuning; `given` are other fields than these."""
    usual = {"objectives": (METRICS["throughput"],), "budget_s": 300.0, "workload": ClosedLoop(seed=seed)}
    return TuneRequest(files=locate(model), name="simulated", out=out, space=_space(), **{**usual, **given})


def assembled(request: TuneRequest, clock: Clock, bench: Bench, proposer: Proposer, study: Study) -> Tuning:
    """Return a tuning of these parts that is ready to run."""
    budget = Budget.start(request.budget_s, clock)
    session = Session(request, _bound().topology.envelope, study, bench, budget, _ignore)
    return Tuning(session=session, proposer=proposer, space=_bound(), topology=_topology())


def candidates_in(tuning: Tuning, baselines: Baselines) -> Candidates:
    """Return the candidates of a simulated tuning, to be tried in the order of its list."""
    session, proposer = tuning.session, tuning.proposer
    first = first_configs(session, proposer, tuning.space.topology, ())
    return Candidates(session, proposer, baselines, first, session.study.propose)


def trials_of(session: Session) -> list[SimulatedTrial]:
    """Return the trials of the simulated study."""
    assert isinstance(session.study, SimulatedStudy)
    return session.study.trials


def simulate(
    recording: Recording, speeds: Mapping[Config, float], model: Path, out: Path, **given: Any
) -> Simulated:
    """Run a `simulated_tuning` and return its result."""
    tuning = simulated_tuning(recording, speeds, model, out, **given)
    result = run_simulated(tuning)
    session, finalists = tuning.session, {racer.key for racer in result.finalists}
    dropped = frozenset(trial.config for trial in trials_of(session) if trial.dropped)
    keys = {key for wave in result.finals.waves for key in wave} - finalists - {AA}
    best = session.race.baseline.key
    return Simulated(result, (best, *sorted(keys - {best})), dropped, session.budget.elapsed_s())


def run_simulated(tuning: Tuning) -> FinalsResult:
    """Run all stages; blocks have the length that they were recorded with."""
    with mock.patch.object(noise, "LENGTHS_S", (BLOCK_S,)):
        return run_stages(tuning)


def _ignore(event: Event) -> None:
    """Do nothing with `event`."""


@cache
def _space() -> Space:
    return load_space("default")


@cache
def _topology() -> Topology:
    return probe()


@cache
def _bound() -> BoundSpace:
    topology = _topology()
    free = msgspec.structs.replace(topology.envelope, cpu_quota=None)  # a quota would make longer blocks
    return bind(_space(), msgspec.structs.replace(topology, envelope=free))
