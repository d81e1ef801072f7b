"""Blocks of inferences that arrive at random times, at a rate, and wait for an idle request.

A load generator that falls behind, and counts latency from when it actually sent, leaves out the waits that
users feel ("coordinated omission": Gil Tene, wrk2 and HdrHistogram). So here latency counts from the scheduled
arrival to the completion. It includes what the generator adds by waking late: some tens of microseconds.

Arrivals are a Poisson process, like those of many independent users. Their seed is that of the block, which is
the same for all arms of a round (common random numbers: Law, "Simulation Modeling and Analysis", 5th ed., ch.
11.2). At most as many inferences as there are requests are in flight; further arrivals wait in the generator,
first come, first served. The generator sleeps until each is due and never spins, which would take a CPU from the
model.

Beyond saturation the queue grows without limit. So after twice the length of the window, a block gives up
arrivals that haven't been started: they count with their latency so far, and not as inferences.
"""

import ctypes
from random import Random
from time import perf_counter, sleep

import msgspec

from autotp.measuring.workload.turns import Burst
from autotp.runtime.inference.requests import Requests, SampleTensors

LEAD_IN_SHARE = 0.2  # of the window, so that a queue can build up before the timing
_PR_SET_TIMERSLACK = 29  # prctl(2)


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
