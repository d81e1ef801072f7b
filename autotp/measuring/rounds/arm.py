"""The interface of an arm (a config that is being measured), and starting and stopping several side by side."""

from collections.abc import Callable, Iterable, Sequence
from operator import methodcaller
from typing import Protocol

import msgspec

from autotp.measuring.failure import ArmFailure
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.outputs.reference import Outputs
from autotp.measuring.protocol import Started, ThreadActivity
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.registry import AnyWorkload
from autotp.measuring.workload.workload import Run
from autotp.runtime.compile import Plan


class ArmSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What an arm runs: one plan per worker process, the workload, and what to do with the outputs."""

    plans: tuple[Plan, ...]
    workload: AnyWorkload
    outputs: Outputs | None = None


class Arm(Protocol):
    """Runs blocks of one config. The order of calls: launch, await_start, warm_up, block …, stop.

    Attributes:
        spec: what its processes run.
        started: what each of its processes reported once it had compiled.
    """

    spec: ArmSpec
    started: tuple[Started, ...]

    @property
    def output_error(self) -> OutputError:
        """How far its outputs are from the reference; no error if they weren't compared."""

    def launch(self, beside: int = 0) -> None:
        """Begin to start the processes and return at once, so that several arms can start side by side.

        Raises:
            ArmFailure: memory doesn't suffice for it and the `beside` arms that have just been launched.
        """

    def await_start(self) -> tuple[Started, ...]:
        """Wait until the model is compiled; return the report of each process.

        Raises:
            ArmFailure: it failed; its processes have been stopped.
        """

    def warm_up(self) -> None:
        """Run until the rate is steady.

        Raises:
            ArmFailure: as `block`.
        """

    def block(self, run: Run) -> Block:
        """Run one block.

        Raises:
            ArmFailure: it failed; its processes have been stopped.
        """

    def turn_s(self, block: Block) -> float:
        """Return how long one turn (each request in flight once) takes, estimated from `block`."""

    def watch(self) -> ThreadActivity:
        """Run for a moment and return what its threads did.

        Raises:
            ArmFailure: as `block`.
        """

    def hang_up(self) -> None:
        """Begin to stop the processes and return at once."""

    def stop(self) -> None:
        """Stop the processes and wait until their memory is free; never fails."""


def start_together(arms: Sequence[Arm], one_by_one: bool = False) -> dict[int, ArmFailure]:
    """Start `arms` side by side, then warm each up on its own.

    Args:
        arms: the arms.
        one_by_one: whether each compiles alone, so that the time which that takes counts.

    Returns:
        The failures by index in `arms`; all other arms are ready for blocks.
    """
    failures: dict[int, ArmFailure] = {}

    def attempt(index: int, step: Callable[[Arm], object]) -> None:
        try:
            if index not in failures:
                step(arms[index])
        except ArmFailure as failure:
            failures[index] = failure

    launched_before = 0
    for index in range(len(arms)):
        attempt(index, methodcaller("launch", beside=launched_before))
        if one_by_one:
            attempt(index, methodcaller("await_start"))
        else:
            launched_before += 1
    later = ["warm_up"] if one_by_one else ["await_start", "warm_up"]
    for step in later:
        for index in range(len(arms)):
            attempt(index, methodcaller(step))
    return failures


def stop_all(arms: Iterable[Arm]) -> None:
    """Stop all `arms`, side by side."""
    ending = list(arms)
    for arm in ending:
        arm.hang_up()
    for arm in ending:
        arm.stop()
