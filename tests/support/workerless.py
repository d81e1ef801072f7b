"""What arms without processes have in common: they start at once, end at once, and have no outputs."""

from autotp.measuring.outputs.error import OutputError, worst_error
from autotp.measuring.protocol import Started, ThreadActivity
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.registry import AnyWorkload
from autotp.measuring.workload.workload import Run

IDLE = ThreadActivity(tasks=1, busy_threads=0, caller_sleeps=0.0, bound_cpus=(), cpu_s={})


class Workerless:
    """An arm without workers, of which only the blocks are left to be said."""

    def __init__(self, workload: AnyWorkload | None = None) -> None:
        self.spec = ArmSpec(plans=(), workload=workload or ClosedLoop())
        self.started: tuple[Started, ...] = ()
        self.stopped = False

    @property
    def output_error(self) -> OutputError:
        """None, as no outputs are compared."""
        return worst_error(())

    def launch(self, beside: int = 0) -> None:
        """Nothing has to start."""

    def await_start(self) -> tuple[Started, ...]:
        """Nothing is compiled."""
        return ()

    def warm_up(self) -> None:
        """The rate is steady."""

    def block(self, run: Run) -> Block:
        """Return what the arm of a test does."""
        raise NotImplementedError

    def turn_s(self, block: Block) -> float:
        """Return the seconds of a turn of one request."""
        return self.spec.workload.turn_s(block, 1)

    def watch(self) -> ThreadActivity:
        """There are no threads but the caller."""
        return IDLE

    def hang_up(self) -> None:
        """Nothing has to end."""

    def stop(self) -> None:
        """Note that the arm was stopped."""
        self.stopped = True
