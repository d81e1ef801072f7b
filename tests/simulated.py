"""A whole tuning simulated on recorded rounds: the code that ships, on a clock that costs nothing.

What is real: the race, the hunt, the baselines, the finals, the waves, the verdict. What stands in: arms that
replay recorded blocks, a bench that makes them, a store in memory, a proposer that knows a list, and the clock.

Noise is resampled as it came (`record_rounds.py`): processes that live together draw one recorded wave and a
contiguous run of its rounds, each process a recorded one of its own, so drift, autocorrelation, outliers and what
differs between processes stay. A run that ends is followed by another of the same wave: a process keeps its luck
for life. (Block bootstrap: Künsch, Annals of Statistics 17, 1989.) A true gain multiplies an arm's rates.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from autotp.measure import AA, Arm, ArmSpec, Block, Metric, OutputError, Phase, PhaseClock, Started, Workload
from autotp.measure.protocol import Run
from autotp.runtime import locate
from autotp.search.arms import Bench
from autotp.search.closing import Closing
from autotp.search.observed import Observed, Outcome
from autotp.search.proposer import Proposer
from autotp.search.request import TuneRequest
from autotp.search.session import Session
from autotp.search.store import Role, Store
from autotp.search.tuner import conduct
from autotp.space import Census, Config, Effective, load_space
from autotp.topology import probe

EXACT = OutputError(max_abs_error=0.0, max_abs_reference=1.0, finite=True)
HINTS = tuple(Config.of({"performance_hint": hint}) for hint in ("latency", "throughput"))


class Recording(msgspec.Struct, frozen=True):
    """Recorded rounds as blocks [wave][round][arm], and how long an arm took to start."""

    model: str
    waves: list[list[list[Block]]]
    arm_start_s: float

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read what `record_rounds` wrote."""
        with np.load(path) as table:
            counts, elapsed_s, latencies_s = (table[k].tolist() for k in ("counts", "elapsed_s", "latencies_s"))
            around_s = np.diff(table["ended_s"], axis=1) - table["elapsed_s"].sum(axis=2)[:, 1:]
            untimed_s = max(0.0, float(np.median(around_s)) / len(counts[0][0]))  # lead-in, drain, the parent
            waves = [
                [[_block(untimed_s, *cell) for cell in zip(*row, strict=True)] for row in zip(*wave, strict=True)]
                for wave in zip(counts, elapsed_s, latencies_s, strict=True)
            ]
            return cls(str(table["model"]), waves, float(table["arm_start_s"]))

    @property
    def arms(self) -> int:
        """How many arms ran side by side."""
        return len(self.waves[0][0])


def _block(untimed_s: float, count: int, elapsed_s: float, latencies_s: Sequence[float]) -> Block:
    return Block(
        count=count, elapsed_s=elapsed_s, untimed_s=untimed_s, latencies_s=tuple(latencies_s), memory_bytes=1
    )


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


class Processes:
    """Processes that live together: one recorded wave, replayed in runs of rounds."""

    def __init__(self, recording: Recording, rng: random.Random) -> None:
        self._rounds = rng.choice(recording.waves)
        self._rng = rng
        self._free = rng.sample(range(recording.arms), recording.arms)
        self._at = rng.randrange(len(self._rounds))
        self.round = 0
        self.over = False

    def join(self) -> int:
        """Return the number of a recorded process that nobody replays now."""
        assert self._free, "more arms at once than were recorded"
        return self._free.pop()

    def leave(self, number: int) -> None:
        """Let others have process `number`."""
        self.over = True
        self._free.insert(self._rng.randrange(len(self._free) + 1), number)

    def go_on(self) -> None:
        """Begin the next round."""
        self.round += 1
        self._at += 1
        if self._at == len(self._rounds):
            self._at = self._rng.randrange(len(self._rounds))

    def block(self, number: int) -> Block:
        """Return what process `number` did in this round."""
        return self._rounds[self._at][number]


class ReplayedArm(Arm):
    """An arm without workers that replays a recorded process, `speed` times as fast."""

    def __init__(self, processes: Processes, clock: Clock, recording: Recording, speed: float) -> None:
        super().__init__(ArmSpec(plans=(), workload=Workload()), NO_WORKERS)
        self._processes, self._clock, self._recording, self._speed = processes, clock, recording, speed
        self._number: int | None = None
        self._seen = 0

    def launch(self) -> None:
        """Become one of the recorded processes."""
        self._number = self._processes.join()
        self._seen = self._processes.round

    def await_start(self) -> tuple[Started, ...]:
        """Nothing is compiled."""
        return ()

    def warm_up(self) -> None:
        """Let the time pass that an arm takes to start and warm up."""
        self._clock.now_s += self._recording.arm_start_s

    def stop(self) -> None:
        """Leave the processes."""
        if self._number is not None:
            self._processes.leave(self._number)
            self._number = None

    def _run(self, run: Run, phase: Phase) -> Block:
        assert self._number is not None, "a block of an arm that isn't running"
        if self._seen == self._processes.round:
            self._processes.go_on()
        self._seen = self._processes.round
        block = self._processes.block(self._number)
        if self._speed != 1.0:
            block = faster(block, self._speed)
        self._clock.now_s += block.elapsed_s + block.untimed_s
        return block


def faster(block: Block, speed: float) -> Block:
    """Return `block` as an arm `speed` times as fast would have run it."""
    return Block(
        count=block.count,
        elapsed_s=block.elapsed_s / speed,
        untimed_s=block.untimed_s,
        latencies_s=tuple(latency_s / speed for latency_s in block.latencies_s),
        memory_bytes=block.memory_bytes,
    )


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

    def wrong_output(self, observed: Observed) -> None:
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
    recording: Recording, speeds: Mapping[Config, float], model: Path, out: Path, **given: Any
) -> Session:
    """Return a tuning that is about to begin.

    Args:
        recording: where the noise comes from.
        speeds: the true rate of each candidate; a hint's is 1 where it isn't given.
        model: a model file; it is hashed, not run.
        out: the folder that tuned.yaml is written to.
        given: fields of the request: `seed`, `budget_s`, `objectives`.
    """
    request = TuneRequest(
        files=locate(model),
        name="simulated",
        out=out,
        space=_space(),
        **{"objectives": (Metric.THROUGHPUT,), "budget_s": 300.0, **given},
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


NO_WORKERS: Any = SimpleNamespace()
