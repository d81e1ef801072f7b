"""The open loop: inferences arrive at a rate, whether the earlier ones are done or not, and wait in a queue.

A closed loop sends the next inference when one is done, so a slow server gets less load and its queue is never
seen ("Open Versus Closed: A Cautionary Tale", Schroeder, Wierman and Harchol-Balter, NSDI 2006). And a load
generator that falls behind, and counts latency from when it actually sent, leaves out the waits that users feel
("coordinated omission": Gil Tene, wrk2 and HdrHistogram). So here latency counts from the scheduled arrival to the
completion. It includes what the generator adds by waking late: some tens of microseconds.

Arrivals are a Poisson process, like those of many independent users. Their seed is that of the block, which is the
same for all arms of a round (common random numbers: Law, "Simulation Modeling and Analysis", 5th ed., ch. 11.2).
At most as many inferences as there are requests are in flight; further arrivals wait in the generator, first come,
first served. The generator sleeps until each is due and never spins, which would take a CPU from the model.

Beyond saturation the queue grows without limit. So after twice the length of the window, a block gives up arrivals
that haven't been started: they count with their latency so far, and not as inferences. A block begins with an
empty queue, which takes time to build up near saturation, so blocks of an open loop are longer.
"""

import ctypes
from collections.abc import Mapping, Sequence
from math import ceil
from random import Random
from time import perf_counter, sleep
from typing import Annotated, Any, ClassVar, Self, TypedDict

import msgspec

from autotp.errors import InputError
from autotp.findings.loop import Loop
from autotp.findings.metric import Metric
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.closed_loop import ClosedLoop, InferenceDriver, data_file
from autotp.measuring.workload.passes import Burst
from autotp.measuring.workload.workload import Driver, Run, Wanted
from autotp.options import Flag, Form, spell
from autotp.runtime.compile import Compiled
from autotp.runtime.inference.requests import Requests, SampleTensors
from autotp.runtime.models.model_files import ModelFiles
from autotp.space.knobs.config import Config

OPEN_BLOCK_S = 0.5
ARRIVALS_PER_TURN = 5
LEAD_IN_SHARE = 0.2  # of the window, so that a queue can build up before the timing
MOST_PER_S = 100_000  # Python can start some tens of thousands
FEWEST_ARRIVALS = 50
_PR_SET_TIMERSLACK = 29  # prctl(2)


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


class Arrivals(msgspec.Struct, frozen=True):
    """When inferences arrive, in seconds from the start. The last of the `untimed` ones begins the window."""

    arrivals_s: tuple[float, ...]
    untimed: int
    ends_s: float

    @classmethod
    def poisson(cls, rate_per_s: float, duration_s: float, lead_in_s: float, seed: int) -> "Arrivals":
        """Return a Poisson process: untimed arrivals over `lead_in_s`, then timed ones over `duration_s`.

        There is at least one of each.
        """
        random = Random(seed)
        arrivals = _arrivals(random, rate_per_s, 0.0, max(lead_in_s, LEAD_IN_SHARE * duration_s))
        timed = _arrivals(random, rate_per_s, arrivals[-1], arrivals[-1] + duration_s)
        within = timed[:-1] or timed
        return cls((*arrivals, *within), len(arrivals), max(within[-1], arrivals[-1] + duration_s))

    @classmethod
    def counted(cls, rate_per_s: float, count: int, lead_in_s: float, seed: int) -> "Arrivals":
        """Return a Poisson process: untimed arrivals over `lead_in_s`, at least one, then `count` timed ones."""
        random = Random(seed)
        arrivals = _arrivals(random, rate_per_s, 0.0, max(lead_in_s, LEAD_IN_SHARE * count / rate_per_s))
        untimed = len(arrivals)
        for _ in range(count):
            arrivals.append(arrivals[-1] + random.expovariate(rate_per_s))
        return cls(tuple(arrivals), untimed, arrivals[-1])


def drive_open(
    requests: Requests, arrivals: Arrivals, samples: SampleTensors | None = None, first: int = 0
) -> Burst:
    """Start an inference at each arrival of `arrivals`, or when the next request becomes idle.

    If `samples` are given, arrival n takes sample `first` + n of them.

    Returns:
        How many inferences of the window were done, in how many seconds, and the latency in seconds of each
        arrival of the window.
    """
    _wake_on_time()
    untimed, window_s = arrivals.untimed, arrivals.ends_s - arrivals.arrivals_s[arrivals.untimed - 1]
    give_up_s = arrivals.ends_s + window_s
    latencies_s = _serve(requests, arrivals, give_up_s, samples, first)
    done_s = [arrival + took for arrival, took in zip(arrivals.arrivals_s, latencies_s, strict=False)]
    given_up = [give_up_s - arrival for arrival in arrivals.arrivals_s[max(untimed, len(done_s)) :]]
    first = untimed if len(done_s) > untimed else 0  # if not even the lead-in was done, count that
    began_s = done_s[first - 1] if first else 0.0
    return len(done_s) - first, max(window_s, max(done_s) - began_s), (*latencies_s[untimed:], *given_up)


def _serve(
    requests: Requests, arrivals: Arrivals, give_up_s: float, samples: SampleTensors | None, first: int
) -> list[float]:
    """Return the latency of each arrival until one is given up; the first arrival is never given up."""
    queue, in_queue = requests.queue, requests.requests
    latencies_s: list[float] = []
    running: dict[int, int] = {}  # by request, the number of its arrival

    def collect(index: int) -> None:
        latencies_s[running.pop(index)] += in_queue[index].latency / 1e3

    began = perf_counter()
    for number, arrival_s in enumerate(arrivals.arrivals_s):
        if (ahead_s := began + arrival_s - perf_counter()) > 0:
            sleep(ahead_s)
        index = queue.get_idle_request_id()
        if index in running:
            collect(index)
        now_s = perf_counter() - began
        if number and now_s > give_up_s:
            break
        running[index] = number
        latencies_s.append(now_s - arrival_s)
        if samples is not None:
            samples.set(in_queue[index], first + number)
        queue.start_async()
    queue.wait_all()
    for index in tuple(running):
        collect(index)
    return latencies_s


def _arrivals(random: Random, rate_per_s: float, begin_s: float, end_s: float) -> list[float]:
    """Return the arrivals after `begin_s`, up to and including the first one after `end_s`."""
    arrivals = [begin_s + random.expovariate(rate_per_s)]
    while arrivals[-1] <= end_s:
        arrivals.append(arrivals[-1] + random.expovariate(rate_per_s))
    return arrivals


def _wake_on_time() -> None:
    """Make sleeps of this thread end on time: by default the kernel may add 50 µs."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
