"""Arms of which memory holds one at a time: each block starts the arm's processes anew and ends another arm's.

A round then takes as long as the starts of all arms, and its blocks are far apart, so what the machine does
meanwhile falls on one arm alone: gains are less certain. Baseline against baseline (A/A) runs in the same way, so
the noise floor says by how much.
"""

from time import monotonic

import msgspec

from autotp.measuring.outputs.error import OutputError
from autotp.measuring.parent.pool import Workers
from autotp.measuring.protocol import Started, ThreadActivity
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Run


class Turn:
    """Whose turn it is: the arm whose processes live."""

    def __init__(self) -> None:
        self._arm: WorkerArm | None = None

    def take(self, arm: WorkerArm) -> bool:
        """End the processes of the present arm if it is another one; return whether `arm` must start."""
        if self._arm is arm:
            return False
        self.end()
        self._arm = arm
        return True

    def end(self, arm: WorkerArm | None = None) -> None:
        """End the processes of the present arm, or of `arm` if it is the present one."""
        if self._arm is not None and arm in (None, self._arm):
            self._arm.stop()
            self._arm = None


class TurnArm:
    """An arm whose processes live from its block to the next block of another arm. `Arm` describes its methods.

    If its outputs are to be compared, it starts for that alone first.
    """

    def __init__(self, spec: ArmSpec, workers: Workers, turn: Turn) -> None:
        self.spec = spec
        self.started: tuple[Started, ...] = ()
        self._turn = turn
        self._checked = WorkerArm(spec, workers)
        self._timed = WorkerArm(msgspec.structs.replace(spec, outputs=None), workers)

    @property
    def output_error(self) -> OutputError:
        """How far the outputs of its worst worker are from the reference; no error if they weren't compared."""
        return self._checked.output_error

    def launch(self, beside: int = 0) -> None:
        """Start nothing: it isn't its turn."""

    def await_start(self) -> tuple[Started, ...]:
        if self.spec.outputs is not None:
            self._turn.take(self._checked)
            self._checked.launch()
            self.started = self._checked.await_start()
        return self.started

    def warm_up(self) -> None:
        """Run nothing: each block warms up before."""

    def block(self, run: Run) -> Block:
        """Run one block in new processes, or in those of the block before if that was its own.

        Raises:
            ArmFailure: a worker failed; the others are killed.
        """
        began = monotonic()
        self._begin()
        start_s = monotonic() - began
        block = self._timed.block(run)
        return msgspec.structs.replace(block, untimed_s=block.untimed_s + start_s)

    def turn_s(self, block: Block) -> float:
        return self._timed.turn_s(block)

    def watch(self) -> ThreadActivity:
        """Let the first worker run for a moment and return what its threads did.

        Raises:
            ArmFailure: a worker failed; the others are killed.
        """
        self._begin()
        return self._timed.watch()

    def hang_up(self) -> None:
        """Begin to kill the workers, and return at once."""
        for arm in (self._checked, self._timed):
            arm.hang_up()

    def stop(self) -> None:
        """Kill the workers, and wait until their memory is free."""
        for arm in (self._checked, self._timed):
            self._turn.end(arm)
            arm.stop()

    def _begin(self) -> None:
        if self._turn.take(self._timed):
            self._timed.launch()
            self._timed.await_start()
            self._timed.warm_up()
