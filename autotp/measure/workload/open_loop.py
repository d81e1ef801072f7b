"""The open loop: inferences arrive at a rate, whether those before are done or not, and wait their turn.

A closed loop sends the next inference when one is done, so a slow server is asked less and its queue is never seen
("Open Versus Closed: A Cautionary Tale", Schroeder, Wierman and Harchol-Balter, NSDI 2006). And a generator that
falls behind and counts latency from when it got round to sending leaves out the very waits that people feel
("coordinated omission": Gil Tene, wrk2 and HdrHistogram). So here latency runs from the scheduled arrival to the
completion. What the generator itself adds by waking late is in it, too: some tens of microseconds.

Arrivals are Poisson, as those of many people who don't know of each other are. Their seed is the block's, the same
for all arms of a round (common random numbers: Law, "Simulation Modeling and Analysis", 5th ed., ch. 11.2). At
most as many inferences as there are requests are in flight; further arrivals wait in the generator, first come
first served. It sleeps until each is due and never spins, which would take a CPU from the model.

Beyond saturation the queue has no end, so a block has one: once its window has passed twice, arrivals that haven't
been started are given up. They count with the latency that they have had by then, and not as inferences.
"""

import ctypes
from math import ceil
from random import Random
from time import perf_counter, sleep

import msgspec

from autotp.errors import InputError
from autotp.measure.workload.closed_loop import Burst
from autotp.runtime import Requests

LEAD_IN_SHARE = 0.2  # of the window: a queue has to build up before it's watched
MOST_PER_S = 100_000  # from Python some tens of thousands can be started
FEWEST_ARRIVALS = 50
_PR_SET_TIMERSLACK = 29  # prctl(2)


def check_rate(rate_per_s: float) -> None:
    """Refuse a rate that can't be kept.

    Raises:
        InputError: it isn't more than 0, or more than one process could start.
    """
    if not 0 < rate_per_s <= MOST_PER_S:
        raise InputError(f"The rate must be more than 0 and at most {MOST_PER_S} a second.")


def check_arrivals(rate_per_s: float, budget_s: float) -> None:
    """Refuse a rate at which there would be nothing to tell.

    Raises:
        InputError: hardly anything arrives within the budget; the text names one that would do.
    """
    if rate_per_s * budget_s < FEWEST_ARRIVALS:
        wanted_s = ceil(FEWEST_ARRIVALS / rate_per_s)
        raise InputError(
            f"At {rate_per_s:g} a second hardly anything arrives within {budget_s:g} s: "
            f"give a budget of {wanted_s} s or more."
        )


class Schedule(msgspec.Struct, frozen=True):
    """When inferences arrive, in seconds from the start; the last of the first `untimed` ones opens the window."""

    arrivals_s: tuple[float, ...]
    untimed: int
    ends_s: float

    @classmethod
    def poisson(cls, rate_per_s: float, duration_s: float, lead_in_s: float, seed: int) -> "Schedule":
        """Return at least one untimed arrival and `lead_in_s` of them, then one and `duration_s` at least."""
        random = Random(seed)
        arrivals = _arrivals(random, rate_per_s, 0.0, max(lead_in_s, LEAD_IN_SHARE * duration_s))
        timed = _arrivals(random, rate_per_s, arrivals[-1], arrivals[-1] + duration_s)
        within = timed[:-1] or timed
        return cls((*arrivals, *within), len(arrivals), max(within[-1], arrivals[-1] + duration_s))


def drive_open(requests: Requests, schedule: Schedule) -> Burst:
    """Start an inference at each arrival of `schedule` or as soon after as a request is idle.

    Returns:
        The inferences of the window that were done, the seconds in which they were, and for each arrival of the
        window the latency in seconds.
    """
    _wake_on_time()
    untimed, window_s = schedule.untimed, schedule.ends_s - schedule.arrivals_s[schedule.untimed - 1]
    give_up_s = schedule.ends_s + window_s
    latencies_s = _serve(requests, schedule, give_up_s)
    done_s = [arrival + took for arrival, took in zip(schedule.arrivals_s, latencies_s, strict=False)]
    given_up = [give_up_s - arrival for arrival in schedule.arrivals_s[max(untimed, len(done_s)) :]]
    first = untimed if len(done_s) > untimed else 0  # where not even the lead-in was done, it's all there is
    began_s = done_s[first - 1] if first else 0.0
    return len(done_s) - first, max(window_s, max(done_s) - began_s), (*latencies_s[untimed:], *given_up)


def _serve(requests: Requests, schedule: Schedule, give_up_s: float) -> list[float]:
    """Return the latency of each arrival, up to the first that is given up; the very first never is."""
    queue, in_queue = requests.queue, requests.requests
    latencies_s: list[float] = []
    running: dict[int, int] = {}  # the arrival that each request works for

    def collect(index: int) -> None:
        latencies_s[running.pop(index)] += in_queue[index].latency / 1e3

    began = perf_counter()
    for number, arrival_s in enumerate(schedule.arrivals_s):
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
        queue.start_async()
    queue.wait_all()
    for index in tuple(running):
        collect(index)
    return latencies_s


def _arrivals(random: Random, rate_per_s: float, begin_s: float, end_s: float) -> list[float]:
    """Return arrivals after `begin_s`, the last of which is the first after `end_s`."""
    arrivals = [begin_s + random.expovariate(rate_per_s)]
    while arrivals[-1] <= end_s:
        arrivals.append(arrivals[-1] + random.expovariate(rate_per_s))
    return arrivals


def _wake_on_time() -> None:
    """Let sleeps of this thread end when they should: by default the kernel may add 50 µs."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
