"""An arm: an effective config being measured, as a group of worker processes behind one interface."""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import methodcaller
from time import monotonic
from typing import TypeVar

import msgspec

from autotp.measure.outputs.gate import worst_error
from autotp.measure.parent.pool import Workers
from autotp.measure.parent.process import WorkerProcess
from autotp.measure.protocol import (
    ArmFailure,
    Block,
    Compile,
    Footprint,
    OutputError,
    Outputs,
    Phase,
    Ready,
    Run,
    Started,
    Watch,
)
from autotp.measure.samples.weather import all_over
from autotp.measure.workload.workload import Generate, Workload
from autotp.runtime import Plan

R = TypeVar("R")

WARM_UP_BLOCK_S = 0.05
WARM_UP_BLOCKS = 20
WARM_UP_S = 10.0
SLOW_S = 1.0  # of two blocks: each holds two turns of all requests
STEADY_WITHIN = 0.1
ARRIVALS_PER_TURN = 5
BARRIER_S = 0.002  # ahead: a worker that sleeps in its read has the request within a tenth of it


class ArmSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What an arm's workers do: one plan per instance, and the workload that each of them drives."""

    plans: tuple[Plan, ...]
    workload: Workload
    outputs: Outputs | None = None


class Arm:
    """N workers that run blocks together. Launch, await, warm up, run blocks, stop; `stop` never fails."""

    def __init__(self, spec: ArmSpec, workers: Workers) -> None:
        self.spec = spec
        self.started: tuple[Started, ...] = ()
        self._source = workers
        self._workers: tuple[WorkerProcess, ...] = ()

    def launch(self, beside: int = 0) -> None:
        """Start the workers and return at once, so that several arms can start side by side.

        Raises:
            ArmFailure: memory doesn't hold it as well as so many `beside` it that have only just been launched.
        """
        self._source.admit(beside)
        for plan in self.spec.plans:
            worker = self._source.start()
            self._workers += (worker,)
            worker.send(Compile(plan, self.spec.workload.shared_by(len(self.spec.plans)), self.spec.outputs))

    def await_start(self) -> tuple[Started, ...]:
        """Wait until every worker has compiled; return what each of them reports.

        Raises:
            ArmFailure: a worker failed; the others are killed.
        """
        self._gather(Ready, Phase.START)
        self.started = self._gather(Started, Phase.COMPILE)
        self._source.learn(sum(started.memory_bytes for started in self.started))
        return self.started

    def warm_up(self) -> None:
        """Run blocks until two in a row have the same rate within 10 %: of a slow model two, else at least three.

        After twenty blocks or ten seconds it goes on without.

        Raises:
            ArmFailure: as `block`.
        """
        rates: list[float] = []
        began = monotonic()
        while len(rates) < WARM_UP_BLOCKS and (took_s := monotonic() - began) < WARM_UP_S:
            least = 2 if took_s > SLOW_S else 3
            if len(rates) >= least and abs(rates[-1] / rates[-2] - 1.0) < STEADY_WITHIN:
                return
            block = self._run(self._warming(len(rates)), Phase.WARM_UP)
            rates.append(block.count / block.elapsed_s)

    def block(self, duration_s: float, lead_in_s: float = 0.0, seed: int = 0) -> Block:
        """Run one block on all workers at once and return their sum.

        Args:
            duration_s: how long it's timed; to the end of the turn, at least one.
            lead_in_s: how long it isn't, before; to the end of the turn, at least one.
            seed: of the arrivals, where there is a rate.

        Raises:
            ArmFailure: a worker failed; the others are killed.
        """
        return self._run(Run(duration_s=duration_s, lead_in_s=lead_in_s, seed=seed), Phase.BLOCK)

    def generate(self, generate: Generate) -> Block:
        """Run one block of a generation on all workers at once and return their sum.

        Raises:
            ArmFailure: as `block`.
        """
        return self._run(generate, Phase.BLOCK)

    def turn_s(self, block: Block) -> float:
        """Return how long a turn of all requests in flight takes, read off `block`.

        With a rate that is five arrivals; of a generation, what is timed of the block.
        """
        if self.spec.workload.generation is not None:
            return block.elapsed_s
        if self.spec.workload.rate_per_s is not None:
            return ARRIVALS_PER_TURN / self.spec.workload.rate_per_s
        return block.elapsed_s * self._in_flight / block.count

    def watch(self) -> Footprint:
        """Let the first worker run for a moment and return what its threads did.

        Raises:
            ArmFailure: a worker failed; the others are killed.
        """
        self._workers[0].send(Watch())
        try:
            return self._workers[0].receive(Footprint, Phase.PROOF)
        except ArmFailure:
            self.stop()
            raise

    def hang_up(self) -> None:
        """Have the workers and all that they started killed, and return at once."""
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
        """How far the outputs of the worst of its workers are off; none is where none compared them."""
        return worst_error(s.output_error for s in self.started if s.output_error is not None)

    @property
    def _in_flight(self) -> int:
        return max(1, sum(started.effective.requests or 1 for started in self.started))

    def _warming(self, number: int) -> Run | Generate:
        generation = self.spec.workload.generation
        return Run(duration_s=WARM_UP_BLOCK_S, flat_out=True) if generation is None else generation.burst(number)

    def _run(self, run: Run | Generate, phase: Phase) -> Block:
        begin_s = monotonic() + BARRIER_S if len(self._workers) > 1 else None
        for number, worker in enumerate(self._workers):
            timed = msgspec.structs.replace(run, begin_s=begin_s)
            if isinstance(timed, Run):  # each has arrivals of its own
                timed = msgspec.structs.replace(timed, seed=timed.seed * len(self._workers) + number)
            worker.send(timed)
        return _sum(self._gather(Block, phase, self._asked_s(run), self._in_flight))

    def _asked_s(self, run: Run | Generate) -> float:
        """Return how long `run` takes by itself; an open loop waits for arrivals, and as long for a backlog."""
        if isinstance(run, Generate):
            return run.lead_in_s + run.first_s
        rate_per_s = self.spec.workload.rate_per_s
        if rate_per_s is None or run.flat_out:
            return run.lead_in_s + run.duration_s
        return 2 * (run.lead_in_s + run.duration_s) + 2 * ARRIVALS_PER_TURN * len(self._workers) / rate_per_s

    def _gather(self, expected: type[R], phase: Phase, extra_s: float = 0.0, requests: int = 1) -> tuple[R, ...]:
        try:
            return tuple(worker.receive(expected, phase, extra_s, requests) for worker in self._workers)
        except ArmFailure:
            self.stop()
            raise


def start_together(arms: Sequence[Arm]) -> dict[int, ArmFailure]:
    """Start `arms` side by side, then warm each up on its own.

    Returns:
        The failures by index in `arms`; arms that aren't in it are ready for blocks.
    """
    failures: dict[int, ArmFailure] = {}
    for index, arm in enumerate(arms):
        try:
            arm.launch(beside=index)
        except ArmFailure as failure:
            failures[index] = failure
    for step in (methodcaller("await_start"), methodcaller("warm_up")):
        for index, arm in enumerate(arms):
            try:
                if index not in failures:
                    step(arm)
            except ArmFailure as failure:
                failures[index] = failure
    return failures


def stop_all(arms: Iterable[Arm]) -> None:
    """Stop every arm of `arms`; they give their memory back side by side."""
    ending = list(arms)
    for arm in ending:
        arm.hang_up()
    for arm in ending:
        arm.stop()


def _sum(blocks: tuple[Block, ...]) -> Block:
    """Return the block of all instances: each has its own window, so their rates are what adds up."""
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
        untimed_s=max(0.0, whole_s - elapsed_s),
        weather=all_over([block.weather for block in blocks]),
    )


def _joined(parts: Iterable[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(chain.from_iterable(parts))
