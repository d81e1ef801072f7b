"""A whole tuning simulated on recorded rounds: the code that ships, on a clock that costs nothing.

What is real: the race, the hunt, the baselines, the finals, the waves, the verdict. What stands in: arms that
replay recorded blocks (`replayed.py`), a bench that makes them, a store in memory, a proposer that knows a list,
and the clock. The calibration of block lengths isn't simulated: a recording holds blocks of one length, so the
baseline runs against itself with that one only.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import msgspec

from autotp.findings import METRICS
from autotp.measuring.bench import Bench
from autotp.measuring.observed import Observed, Outcome
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.parent.watchdog import PhaseClock
from autotp.measuring.rounds import noise
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.waves import AA
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.workload import BLOCK_S
from autotp.runtime import locate
from autotp.space import Census, Config, Effective, load_space
from autotp.topology import probe
from autotp.tuning.propose.proposer import Proposer
from autotp.tuning.request import TuneRequest
from autotp.tuning.session import Session
from autotp.tuning.stages.finals import Closing
from autotp.tuning.study.study import Role, Store
from autotp.tuning.tuner import conduct
from tests.support.replayed import Clock, Processes, Recording, ReplayedArm

EXACT = OutputError(max_abs_error=0.0, max_abs_reference=1.0, finite=True)
HINTS = tuple(Config.of({"performance_hint": hint}) for hint in ("latency", "throughput"))


class SimulatedBench(Bench):
    """Makes replayed arms: those of the search live together to its end, those of a wave for that wave."""

    def __init__(
        self, recording: Recording, speeds: Mapping[Config, float], clock: Clock, rng: random.Random
    ) -> None:
        self.arm_start_s = recording.arm_start_s
        self._recording, self._speeds, self._clock, self._rng = recording, speeds, clock, rng
        self._search = Processes(recording, rng)
        self._wave = Processes(recording, rng)

    def arm(self, config: Config, checked: bool = True) -> Arm:
        """Return an arm of the wave that is being made."""
        if self._wave.over:
            self._wave = Processes(self._recording, self._rng)
        return self._replayed(config, self._wave)

    def start(self, configs: Sequence[Config], gated: bool = True) -> list[tuple[Arm, Outcome]]:
        """Start arms of the search; the third hint is an alias of the first."""
        return [self._start(config) for config in configs]

    @property
    def clock(self) -> PhaseClock:
        """Nothing takes time that anybody would watch."""
        return PhaseClock()

    @property
    def room(self) -> int:
        """There is memory for as many arms as were recorded."""
        return self._recording.arms

    def _start(self, config: Config) -> tuple[Arm, Outcome]:
        arm = self._replayed(config, self._search)
        arm.launch()
        arm.warm_up()
        hint = config.get("performance_hint")
        properties = {"NUM_STREAMS": str(config if hint != "none" else HINTS[0])}
        return arm, Observed(
            effective=Effective(), masks=None, proof=None, output_error=EXACT, properties=properties
        )

    def _replayed(self, config: Config, processes: Processes) -> Arm:
        return ReplayedArm(processes, self._clock, self._recording, self._speeds.get(config, 1.0))

    def record_reference(self) -> None:
        """There are no outputs."""

    def accept_hints(self, hints: Mapping[Config, Observed]) -> None:
        """There are no outputs."""

    def wrong_output(self, config: Config, observed: Observed) -> None:
        """There are no outputs."""

    def close(self) -> None:
        """Nothing runs."""


class Listed(Proposer):
    """Proposes the configs of a list, in that order."""

    def __init__(self, configs: Sequence[Config]) -> None:
        self.left = list(configs)
        self.aliases = 0

    @property
    def exhausted(self) -> bool:
        """Whether the list is at its end."""
        return not self.left

    def take(self, config: Config) -> None:
        """Never propose `config` again."""
        if config in self.left:
            self.left.remove(config)

    def holds(self, config: Config) -> bool:
        """Whether `config` is still in the list."""
        return config in self.left

    def find(self, settings: dict[str, Any]) -> Config | None:
        """There are no recipes."""
        return None

    def learn(self, config: Config, failed: bool) -> None:
        """A list learns nothing."""


class Remembered(Store):
    """A study in memory that remembers the configs of its trials."""

    def __init__(self) -> None:
        self.trials: list[Any] = []
        self.study: Any = SimpleNamespace(user_attrs={}, get_trials=lambda deepcopy=True: self.trials)

    def begin(self, role: Role, config: Config) -> Any:
        """Begin a trial."""
        self.trials.append(SimpleNamespace(number=len(self.trials), role=role, config=config, dropped=False))
        return self.trials[-1]

    def propose(self, proposer: Proposer) -> tuple[Any, Config]:
        """Take the next config of the list."""
        assert isinstance(proposer, Listed)
        return self.begin(Role.SEARCH, proposer.left[0]), proposer.left[0]

    def describe(self, trial: Any, **attributes: Any) -> None:
        """Remember what matters to the simulation."""
        trial.dropped = attributes.get("dropped", trial.dropped)

    def alias(self, trial: Any, of: int) -> None:
        """Forget it."""

    def complete(self, trial: Any, metrics: Mapping[str, float], rows: list[Any]) -> None:
        """Forget it."""

    def abandon(self) -> None:
        """Nothing is left to abandon."""

    def beat(self) -> None:
        """Nobody listens."""

    def note(self, **attributes: Any) -> None:
        """Forget it."""

    def describe_observed(self, trial: Any, observed: Observed) -> None:
        """Forget it."""

    def finished(self, role: Role) -> list[Any]:
        """No call came before."""
        return []

    def failed(self) -> list[Any]:
        """No call came before."""
        return []


class Simulated(msgspec.Struct, frozen=True):
    """What a simulated tuning found, the baselines in its finals (the best first), and what the search dropped."""

    closing: Closing
    baselines: tuple[str, ...]
    dropped: frozenset[Config]
    duration_s: float


def candidates(count: int) -> tuple[Config, ...]:
    """Return configs as a space might hold them, each its own."""
    return tuple(Config.of({"num_streams": 1 + number % 2, "nireq": 1 + number}) for number in range(count))


def simulated_session(
    recording: Recording, speeds: Mapping[Config, float], model: Path, out: Path, seed: int = 0, **given: Any
) -> Session:
    """Return a tuning that is about to begin.

    Args:
        recording: where the noise comes from.
        speeds: the true rate of each candidate; a hint's is 1 where it isn't given.
        model: a model file; it is hashed, not run.
        out: the folder that tuned.yaml is written to.
        seed: of everything that is drawn.
        given: fields of the request: `budget_s`, `objectives`.
    """
    request = TuneRequest(
        files=locate(model),
        name="simulated",
        out=out,
        space=_space(),
        workload=ClosedLoop(seed=seed),
        **{"objectives": (METRICS["throughput"],), "budget_s": 300.0, **given},
    )
    clock, rng = Clock(), random.Random(request.seed)
    listed = [config for config in speeds if config not in HINTS]
    proposer = Listed(rng.sample(listed, len(listed)))
    bench = SimulatedBench(recording, speeds, clock, rng)
    return Session(request, _topology(), _bound(), Remembered(), proposer, bench, _deaf, clock, 0.0)


def simulate(
    recording: Recording, speeds: Mapping[Config, float], model: Path, out: Path, **given: Any
) -> Simulated:
    """Tune as `simulated_session` has it and return what was found."""
    session = simulated_session(recording, speeds, model, out, **given)
    with mock.patch.object(noise, "LENGTHS_S", (BLOCK_S,)):
        closing = conduct(session)
    trials: Any = session.store.study.get_trials()
    dropped = frozenset(trial.config for trial in trials if trial.dropped)
    keys = {key for wave in closing.finals.waves for key in wave} - {r.key for r in closing.finalists} - {AA}
    best = session.race.baseline.key
    return Simulated(closing, (best, *sorted(keys - {best})), dropped, session.elapsed_s())


def _deaf(event: object) -> None:
    """Listen to nothing."""


@cache
def _space() -> Any:
    return load_space("default")


@cache
def _topology() -> Any:
    return probe()


@cache
def _bound() -> Any:
    topology = _topology()
    free = msgspec.structs.replace(topology.envelope, cpu_quota=None)  # a quota would make longer blocks
    census = Census(configs=1, effective_configs=1, dropped=())
    return SimpleNamespace(topology=msgspec.structs.replace(topology, envelope=free), census=lambda: census)
