"""The arm whose blocks run in worker processes, one for each instance of the config."""

from collections.abc import Iterable
from itertools import chain
from time import monotonic
from typing import TypeVar

import msgspec

from autotp.findings.metric import Samples
from autotp.measuring.failure import INFERRING, ArmFailure, Phase
from autotp.measuring.outputs.error import OutputError, worst_error
from autotp.measuring.parent.pool import Workers
from autotp.measuring.parent.process import WorkerProcess
from autotp.measuring.protocol import (
    Choose,
    Chosen,
    Compile,
    Created,
    Profile,
    Profiled,
    Ready,
    Started,
    ThreadActivity,
    Watch,
)
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.weather import combined
from autotp.measuring.workload.registry import AnyWorkload
from autotp.measuring.workload.workload import WARM_UP_BLOCK_S, Run

R = TypeVar("R")

WARM_UP_BLOCKS = 20
WARM_UP_S = 10.0
SLOW_S = 1.0  # if the first blocks take longer, two suffice: each holds two turns of all requests
STEADY_WITHIN = 0.1
CHOOSING_S = 600.0  # more than a block may take: it is a number of inferences, however slow the model is
BARRIER_S = 0.002  # from sending to a common start: a worker has read its request within a tenth of it


class WorkerArm:
    """An arm of one or several workers that run each block together. `Arm` describes its methods."""

    def __init__(self, spec: ArmSpec, workers: Workers) -> None:
        self.spec = spec
        self.started: tuple[Started, ...] = ()
        self._source = workers
        self._workers: tuple[WorkerProcess, ...] = ()

    def launch(self, beside: int = 0) -> None:
        self._source.admit(beside)
        for plan in self.spec.plans:
            worker = self._source.start()
            self._workers += (worker,)
            worker.send(Compile(plan, self.spec.workload.for_one_of(len(self.spec.plans)), self.spec.outputs))

    def await_start(self) -> tuple[Started, ...]:
        self._gather(Ready, Phase.START)
        self._gather(Created, Phase.COMPILE)
        self.started = self._gather(Started, Phase.INFERENCE)
        self._source.note_arm_memory(sum(started.memory_bytes for started in self.started))
        return self.started

    def warm_up(self) -> None:
        """Run blocks until two in a row have the same rate within 10 %: at least three, or two of a slow model.

        It stops after twenty blocks or ten seconds in any case.

        Raises:
            ArmFailure: as `block`.
        """
        rates: list[float] = []
        began = monotonic()
        while len(rates) < WARM_UP_BLOCKS and (took_s := monotonic() - began) < WARM_UP_S:
            least = 2 if took_s > SLOW_S else 3
            if len(rates) >= least and abs(rates[-1] / rates[-2] - 1.0) < STEADY_WITHIN:
                return
            run = Run(number=len(rates), duration_s=WARM_UP_BLOCK_S, flat_out=True)
            block = self._run(run, Phase.WARM_UP)
            rates.append(block.count / block.elapsed_s)

    def block(self, run: Run) -> Block:
        """Run one block on all workers at once and return their merged block.

        Raises:
            ArmFailure: a worker failed; the others are killed.
        """
        return self._run(run, Phase.BLOCK)

    def turn_s(self, block: Block) -> float:
        return self.spec.workload.turn_s(block, self._in_flight)

    def choose(self) -> AnyWorkload:
        """Return the workload with values for its open fields, chosen by the first worker.

        Raises:
            ArmFailure: a worker failed; the others are killed.
        """
        chosen = self._ask_first(Choose(), Chosen, Phase.BLOCK, CHOOSING_S)
        return self.spec.workload.with_chosen(chosen.values)

    def watch(self) -> ThreadActivity:
        """Let the first worker run for a moment and return what its threads did.

        Raises:
            ArmFailure: a worker failed; the others are killed.
        """
        return self._ask_first(Watch(), ThreadActivity, Phase.PROOF)

    def profile(self, samples: Samples, memory_bytes: int) -> Profiled:
        """Return what an inference that gives `samples` spends its time on, and how fast so much memory is read.

        The first worker does it alone.

        Raises:
            ArmFailure: a worker failed; the others are killed.
        """
        return self._ask_first(Profile(samples, memory_bytes), Profiled, Phase.PROFILE)

    def hang_up(self) -> None:
        """Begin to kill the workers and all that they started, and return at once."""
        for worker in self._workers:
            worker.hang_up()

    def stop(self) -> None:
        """Kill the workers and all that they started, and wait until their memory is free."""
        self.hang_up()
        for worker in self._workers:
            worker.kill()
        self._workers = ()

    @property
    def output_error(self) -> OutputError:
        """How far the outputs of its worst worker are from the reference; no error if they weren't compared."""
        return worst_error(s.output_error for s in self.started if s.output_error is not None)

    @property
    def _in_flight(self) -> int:
        return max(1, sum(started.effective.requests or 1 for started in self.started))

    def _ask_first(
        self, request: Choose | Watch | Profile, expected: type[R], phase: Phase, extra_s: float = 0.0
    ) -> R:
        self._workers[0].send(request)
        try:
            return self._workers[0].receive(expected, phase, extra_s)
        except ArmFailure as failure:
            self._end(failure)
            raise

    def _run(self, run: Run, phase: Phase) -> Block:
        instances = len(self._workers)
        begin_s = monotonic() + BARRIER_S if instances > 1 else None
        for number, worker in enumerate(self._workers):
            seed = run.seed * instances + number  # each worker has its own arrivals
            worker.send(msgspec.structs.replace(run, begin_s=begin_s, seed=seed, offset=number / instances))
        requested_s = self.spec.workload.run_seconds(run, instances)
        return _sum(self._gather(Block, phase, requested_s, self._in_flight))

    def _gather(self, expected: type[R], phase: Phase, extra_s: float = 0.0, requests: int = 1) -> tuple[R, ...]:
        try:
            return tuple(worker.receive(expected, phase, extra_s, requests) for worker in self._workers)
        except ArmFailure as failure:
            self._end(failure)
            raise

    def _end(self, failure: ArmFailure) -> None:
        self.stop()
        if failure.phase in INFERRING:
            failure.advice = self.spec.workload.inputs_advice


def _sum(blocks: tuple[Block, ...]) -> Block:
    """Merge the blocks of all instances. Their rates are added, since each was timed over a window of its own."""
    count = sum(block.count for block in blocks)
    elapsed_s = count / sum(block.count / block.elapsed_s for block in blocks)
    whole_s = max(block.elapsed_s + block.untimed_s for block in blocks)
    return Block(
        count=count,
        elapsed_s=elapsed_s,
        latencies_s=_joined(block.latencies_s for block in blocks),
        first_tokens_s=_joined(block.first_tokens_s for block in blocks),
        second_tokens_s=_joined(block.second_tokens_s for block in blocks),
        memory_bytes=sum(block.memory_bytes for block in blocks),
        compile_s=max(block.compile_s for block in blocks),
        untimed_s=max(0.0, whole_s - elapsed_s),
        weather=combined([block.weather for block in blocks]),
    )


def _joined(parts: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(chain.from_iterable(parts))
