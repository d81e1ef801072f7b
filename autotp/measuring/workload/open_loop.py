"""The open loop: inferences arrive at a rate, whether the earlier ones are done or not, and wait in a queue.

A closed loop sends the next inference when one is done, so a slow server gets less load and its queue is never
seen ("Open Versus Closed: A Cautionary Tale", Schroeder, Wierman and Harchol-Balter, NSDI 2006).

A block begins with an empty queue, which takes time to build up near saturation, so blocks of an open loop are
longer than usual. How inferences arrive and what counts of them is in `arrivals`.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Annotated, Any, ClassVar, Self, TypedDict

import msgspec

from autotp.errors import InputError
from autotp.findings.loop import Loop
from autotp.findings.metric import Metric
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.arrivals import Arrivals, drive_open
from autotp.measuring.workload.closed_loop import ClosedLoop, InferenceDriver, data_file
from autotp.measuring.workload.turns import Burst
from autotp.measuring.workload.workload import Driver, Run, Wanted
from autotp.options import Flag, Form, spell
from autotp.runtime.compile import Compiled
from autotp.runtime.models.model_files import ModelFiles
from autotp.space.knobs.config import Config

OPEN_BLOCK_S = 0.5
ARRIVALS_PER_TURN = 5
MOST_PER_S = 100_000  # Python can start some tens of thousands
FEWEST_ARRIVALS = 50


class OpenLoopOptions(TypedDict, total=False):
    """The options of the open loop."""

    rate_per_s: Annotated[
        float | None,
        Flag(
            Form.NUMBER,
            "Send inferences at random times, on average R a second; latency counts from the arrival.",
            "R",
            of_workload=True,
        ),
    ]


class OpenLoop(ClosedLoop, frozen=True, kw_only=True, tag="open_loop"):
    """Inferences arrive at random, on average `rate_per_s` a second."""

    rate_per_s: float

    options: ClassVar[type] = OpenLoopOptions
    option_needed: ClassVar[str | None] = "rate_per_s"
    usual_objective: ClassVar[str] = "latency_p99"  # the rate fixes the throughput
    block_s: ClassVar[float] = OPEN_BLOCK_S

    @classmethod
    def of(cls, files: ModelFiles, wanted: Wanted, given: Mapping[str, Any]) -> Self:
        rate_per_s = given["rate_per_s"]
        check_rate(rate_per_s)
        if not all(cls.suits(metric) for metric in wanted.objectives):
            raise InputError(
                f"{spell('rate_per_s')} fixes the throughput; choose a latency objective, for example latency_p99."
            )
        check_arrivals(rate_per_s, wanted.budget_s)
        return cls(seed=given.get("seed", 0), data=data_file(given.get("data")), rate_per_s=rate_per_s)

    @classmethod
    def suits(cls, metric: Metric) -> bool:
        return super().suits(metric) and not metric.maximize

    def for_one_of(self, instances: int) -> Self:
        """Return the workload with an even share of the rate: each part of a split Poisson process is one, too."""
        return msgspec.structs.replace(self, rate_per_s=self.rate_per_s / instances)

    def nireq(self, config: Config, objectives: Sequence[Metric]) -> int | None:
        """Return how many inferences may run side by side."""
        return config.count("nireq")

    def driver(self, compiled: Compiled) -> Driver:
        return _ArrivalDriver(compiled, self)

    def run_seconds(self, run: Run, instances: int) -> float:
        """Return how long arrivals come, and as long again for a queue to drain."""
        if run.flat_out:
            return run.lead_in_s + run.duration_s
        counted_s = run.duration_s
        if self.data_dependent:
            counted_s = max(counted_s, run.amount * (self.sample_count or 1) * instances / self.rate_per_s)
        return 2 * (run.lead_in_s + counted_s) + 2 * ARRIVALS_PER_TURN * instances / self.rate_per_s

    def turn_s(self, block: Block, in_flight: int) -> float:
        return (self.sample_count or 1 if self.data_dependent else ARRIVALS_PER_TURN) / self.rate_per_s

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "rate": self.rate_per_s}

    def kind(self, nireq: int | None) -> str:
        return Loop.OPEN

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "rate_per_s": self.rate_per_s}


class _ArrivalDriver(InferenceDriver):
    """Drives requests that start when inferences arrive."""

    def __init__(self, compiled: Compiled, workload: OpenLoop) -> None:
        super().__init__(compiled, workload)
        self._rate_per_s = workload.rate_per_s

    def _seconds_each(self) -> float:
        """Return how long a block takes for each sample of a pass: until the next one arrives, if not longer."""
        return max(super()._seconds_each(), 1.0 / self._rate_per_s)

    def _burst(self, run: Run) -> Burst:
        if run.flat_out:
            return super()._burst(run)
        if self._sequence is None:
            arrivals = Arrivals.poisson(self._rate_per_s, run.duration_s, run.lead_in_s, run.seed)
            return drive_open(self._requests, arrivals)
        count = run.amount * len(self._sequence)
        arrivals = Arrivals.counted(self._rate_per_s, count, run.lead_in_s, run.seed)
        first = int(run.offset * len(self._sequence)) - arrivals.untimed
        return drive_open(self._requests, arrivals, self._sequence, first)


def check_rate(rate_per_s: float) -> None:
    """Check that the rate is possible.

    Raises:
        InputError: it isn't more than 0, or more than one process could start.
    """
    if not 0 < rate_per_s <= MOST_PER_S:
        raise InputError(f"{spell('rate_per_s')} must be more than 0 and at most {MOST_PER_S} a second.")


def check_arrivals(rate_per_s: float, budget_s: float) -> None:
    """Check that enough inferences arrive within the budget to judge anything.

    Raises:
        InputError: too few arrive; the text names a budget that is long enough.
    """
    if rate_per_s * budget_s < FEWEST_ARRIVALS:
        wanted_s = ceil(FEWEST_ARRIVALS / rate_per_s)
        raise InputError(
            f"At {rate_per_s:g} a second hardly anything arrives within {budget_s:g} s: "
            f"give a budget of {wanted_s} s or more."
        )
