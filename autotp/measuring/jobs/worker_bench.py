"""The bench of real processes: makes arms of worker processes, checks their outputs, and proves splits."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from time import monotonic

import msgspec

from autotp.errors import EnvironmentFailure
from autotp.findings.metric import Samples
from autotp.findings.proof import Proof
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.jobs.bench import FirstLook
from autotp.measuring.jobs.job import Job
from autotp.measuring.jobs.observed import Observed, Outcome
from autotp.measuring.jobs.preparation import profile, record_reference
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.outputs.gate import Gate
from autotp.measuring.outputs.reference import Outputs, reference_folder
from autotp.measuring.parent.pool import Workers
from autotp.measuring.parent.watchdog import PhaseClock
from autotp.measuring.proof.control import activity_of, run_control
from autotp.measuring.proof.split_proof import ArmActivity, prove_split
from autotp.measuring.protocol import Profiled
from autotp.measuring.rounds.arm import Arm, ArmSpec, start_together, stop_all
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.rounds.turn_arm import Turn, TurnArm
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.space.aliases.effective import Effective
from autotp.space.aliases.predictor import MODEL_THREADS, Predictor
from autotp.space.knobs.config import Config

SIDE_BY_SIDE = 3  # arms that the shortest finals run: a candidate, and the best baseline twice


class WorkerBench:
    """Arms of worker processes for one job, all with the same workload, samples and reference."""

    def __init__(self, job: Job, predictor: Predictor, workers: Workers, tolerance: float | None = None) -> None:
        self.gate = Gate(tolerance=tolerance)
        self.arm_start_s = 0.0
        self._job = job
        self._workers = workers
        self._predictor = predictor
        self._model_threads: tuple[int, ...] = MODEL_THREADS  # narrowed once the THROUGHPUT hint has run
        self._folders = ExitStack()
        self._arms: list[Arm] = []
        self._turn: Turn | None = None
        self._controls: dict[tuple[object, ...], ArmActivity] = {}

    @cached_property
    def _reference(self) -> Path:
        return Path(self._folders.enter_context(reference_folder())) / "reference.npz"

    def record_reference(self) -> None:
        """Compute the reference outputs once.

        Raises:
            ArmFailure: the reference can't be run.
        """
        record_reference(self._workers, self._job.reference(str(self._reference)))

    def take_turns(self, config: Config) -> float | None:
        """Let arms take turns if memory doesn't hold several like `config` at once.

        Returns:
            How many seconds each turn takes to start, which `arm_start_s` then leaves out; None without turns.
        """
        return self.take_turns_like(self._job.spec(config))

    def take_turns_like(self, spec: ArmSpec) -> float | None:
        """Do `take_turns` for arms like that of `spec`, which is started where the reference leaves it open."""
        if self._workers.room >= SIDE_BY_SIDE:
            return None
        self._workers.forget_arm_memory()  # the reference, in f32, takes more than most
        arm = self.arm_of(spec, checked=False)
        start_s, room = _timed_start(arm), self._workers.room
        arm.stop()
        if start_s is None or room + 1 >= SIDE_BY_SIDE:
            return None
        self._turn = Turn()
        return start_s

    def first_look(self, config: Config, blocks: BlockSettings) -> FirstLook | None:
        """Start an arm of `config`, run a block of it, and stop it; None if it fails. No outputs are compared."""
        arm = self.arm(config, checked=False)
        try:
            start_s = _timed_start(arm)
            return None if start_s is None else FirstLook(start_s, blocks.run(arm))
        except ArmFailure:
            return None
        finally:
            arm.stop()

    def close(self) -> None:
        """Stop every arm that was made here and delete the reference outputs."""
        stop_all(self._arms)
        self._folders.close()

    def accept_hints(self, hints: Mapping[Config, Observed]) -> None:
        """Accept output errors as large as the hints' worst; note the threads of THROUGHPUT for predictions."""
        for config, hint in hints.items():
            if config.get("performance_hint") == "throughput":
                self._model_threads = self._predictor.model_threads(config, hint.effective)
        self.gate = self.gate.accepting(hint.output_error for hint in hints.values() if hint.output_error)

    @property
    def clock(self) -> PhaseClock:
        """The time limits of workers, and the time spent waiting for them."""
        return self._workers.clock

    @property
    def room(self) -> int:
        """How many more arms fit into the free memory, if each takes as much as the largest so far.

        If arms take turns, one fits whenever it is its turn.
        """
        return sys.maxsize if self._turn else self._workers.room

    @property
    def unchecked(self) -> Mapping[str, str]:
        """The outputs whose values aren't judged, each with the reason; known once the hints are accepted."""
        return self.gate.unchecked

    def check_room(self, arms: int) -> None:
        """Check that so many arms fit into the free memory.

        Raises:
            EnvironmentFailure: they don't.
        """
        if self.room < arms:
            raise EnvironmentFailure(f"This needs {arms} arms side by side: {self._workers.shortage}.")

    def arm(self, config: Config, checked: bool = True) -> Arm:
        """Return an arm for `config`, not yet started; if `checked`, it compares its outputs with the reference.

        Raises:
            SpaceError: the config is INVALID here.
        """
        return self.arm_of(self._job.spec(config), checked)

    def arm_of(self, spec: ArmSpec, checked: bool = True) -> Arm:
        """Return the arm of `spec`, not yet started; if `checked`, it compares its outputs with the reference."""
        outputs = Outputs(str(self._reference)) if checked else None
        spec = msgspec.structs.replace(spec, outputs=outputs)
        arm = TurnArm(spec, self._workers, self._turn) if self._turn else WorkerArm(spec, self._workers)
        self._arms.append(arm)
        return arm

    def start(self, configs: Sequence[Config], gated: bool = True) -> list[tuple[Arm, Outcome]]:
        """Start an arm for each of `configs`, side by side; return each with what was observed or its failure.

        Args:
            configs: configs that can run here.
            gated: whether wrong outputs are a failure; not so for the hints.
        """
        began = monotonic()
        arms = [self.arm(config) for config in configs]
        failures = start_together(arms)
        checks_s = max((started.check_s for arm in arms for started in arm.started), default=0.0)
        start_s = (monotonic() - began - checks_s) / max(1, len(arms))
        if self._turn is None:
            self.arm_start_s = max(self.arm_start_s, start_s)
        outcomes: list[tuple[Arm, Outcome]] = []
        for index, (config, arm) in enumerate(zip(configs, arms, strict=True)):
            outcome: Outcome = failures[index] if index in failures else self._observe(config, arm, start_s)
            if isinstance(outcome, Observed) and gated:
                outcome = self.wrong_output(config, outcome) or outcome
            if isinstance(outcome, ArmFailure):
                arm.stop()
            outcomes.append((arm, outcome))
        return outcomes

    def wrong_output(self, config: Config, observed: Observed) -> ArmFailure | None:
        """Return the failure of an arm whose outputs the gate rejects; None if it accepts them."""
        assert observed.output_error is not None
        reason = self.rejection(config, observed.output_error, observed.effective)
        return ArmFailure(Status.WRONG_OUTPUT, Phase.COMPILE, reason) if reason else None

    def rejection(self, config: Config, error: OutputError, effective: Effective) -> str | None:
        """Return why the gate rejects an arm of `config` with these outputs and precision; None if it accepts."""
        return self.gate.rejection(error, effective.precision, self._job.strict(config))

    def profile(self, config: Config, samples: Samples, memory_bytes: int) -> Profiled:
        """Return what an inference with `config` spends its time on, and how fast so much memory is read.

        Raises:
            ArmFailure: it can't be run.
        """
        self._make_room()
        return profile(self._workers, self._job.spec(config), samples, memory_bytes)

    def proof(self, config: Config, seen: ArmActivity) -> Proof:
        """Return the proof of what the distribution policy of `config` does in an arm whose activity is `seen`.

        The control run (the same config without the policy, under the same mask) is made once and kept.

        Raises:
            ArmFailure: the control run failed.
        """
        control, key = self._job.control(config), (config.without_policy, self._job.masks(config))
        if key not in self._controls:
            self._make_room()
            self._controls[key] = run_control(self._workers, control)
        return prove_split(seen, self._controls[key], control.sockets)

    def _make_room(self) -> None:
        """End the arm whose turn it is, for a process that isn't an arm."""
        if self._turn:
            self._turn.end()

    def _observe(self, config: Config, arm: Arm, start_s: float) -> Outcome:
        started = arm.started[0]
        try:
            proof = self.proof(config, activity_of(arm)) if config.tensor_parallel else None
        except ArmFailure as failure:
            return failure
        sub_streams = proof.sub_streams if proof else 1
        effective = msgspec.structs.replace(started.effective, sub_streams=sub_streams)
        return Observed(
            effective=effective,
            masks=self._job.masks(config),
            proof=proof,
            output_error=arm.output_error if arm.spec.outputs is not None else None,
            properties=started.properties,
            predicted=self._predict(config),
            unreported=self._predictor.unreported_settings(config),
            copy_s=started.copy_s,
            start_s=start_s,
        )

    def _predict(self, config: Config) -> Effective:
        predicted = self._predictor.effective(config, self._model_threads)
        return msgspec.structs.replace(predicted, requests=self._job.nireq(config) or predicted.streams)


def _timed_start(arm: Arm) -> float | None:
    """Start `arm` and return how many seconds that takes; None if it fails."""
    began = monotonic()
    return None if start_together([arm]) else monotonic() - began
