"""What arms without processes have in common: they start at once, end at once, and have no outputs."""

from collections.abc import Mapping

from autotp.findings.metric import Samples
from autotp.measuring.jobs.bench import FirstLook
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.outputs.error import OutputError, worst_error
from autotp.measuring.parent.watchdog import PhaseClock
from autotp.measuring.protocol import Profiled, Started, ThreadActivity
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.registry import AnyWorkload
from autotp.measuring.workload.workload import Run
from autotp.space.aliases.effective import Effective
from autotp.space.knobs.config import Config

IDLE = ThreadActivity(tasks=1, busy_threads=0, caller_sleeps=0.0, bound_cpus=(), cpu_s={})


class WorkerlessBench:
    """What benches of such arms have in common: no outputs, and phases that nobody waits for."""

    @property
    def clock(self) -> PhaseClock:
        """A clock of phases that is never used."""
        return PhaseClock()

    @property
    def unchecked(self) -> Mapping[str, str]:
        """Nothing: there are no outputs."""
        return {}

    def record_reference(self) -> None:
        """Do nothing: there are no outputs."""

    def take_turns(self, config: Config) -> float | None:
        """Arms without processes run side by side."""
        return None

    def first_look(self, config: Config, blocks: BlockSettings) -> FirstLook | None:
        """Nothing can be seen without a process."""
        return None

    def accept_hints(self, hints: Mapping[Config, Observed]) -> None:
        """Do nothing: there are no outputs."""

    def wrong_output(self, config: Config, observed: Observed) -> None:
        """Do nothing: there are no outputs."""

    def profile(self, config: Config, samples: Samples, memory_bytes: int) -> Profiled:
        """Nothing is known of what an inference spends its time on."""
        return Profiled({})

    def close(self) -> None:
        """Do nothing."""


def observed_as(config: Config) -> Observed:
    """Return what would be observed of an arm of `config`, by which it is told from others."""
    exact = OutputError(max_abs_error=0.0, max_abs_reference=1.0, finite=True)
    properties = {"NUM_STREAMS": str(config)}
    return Observed(effective=Effective(), masks=None, proof=None, output_error=exact, properties=properties)


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
