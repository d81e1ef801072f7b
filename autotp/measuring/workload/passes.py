"""Blocks of whole passes over the samples, for a model whose time depends on its inputs.

Requests whose inputs are set once would run some samples more often than others: one request alone runs a single
sample for ever, and of eight requests, those with short samples run more of them in a given time. Settings that
differ only in the samples that they happen to run would seem to differ in speed. So here every arm runs the same
samples: inference n takes sample n, counted from when they are started, and a block is a number of whole passes.

The samples of the turn before the counted ones, and of those that keep the requests busy until the last counted
one is done, belong to the same sequence. They aren't counted. Samples overtake one another when several requests
are in flight, so no two moments bound exactly the counted samples. But R requests are in flight all the time,
and so the time that C inferences take is the sum of their cycle times divided by R (Little, "A Proof for the
Queuing Formula L = λW", Operations Research 9, 1961). The cycle of an inference lasts from its start to the next
start of its request.
"""

import random
from itertools import count
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autotp.measuring.samples.data_dependence import SMALLEST_EFFECT, DataEffect, data_effect
from autotp.measuring.workload.turns import Burst
from autotp.runtime.inference.requests import Requests, SampleTensors, reset_states

LEAST_TURNS, FEW_TURNS, MOST_TURNS = 2, 5, 200
TURNS_WITHIN_S = 1.0  # a slower model gets the least turns
CLEAR = 2.0  # times the noise; an effect as large as that needs no more turns


def drive_passes(
    requests: Requests, samples: SampleTensors, passes: int, lead_in_s: float = 0.0, offset: float = 0.0
) -> Burst:
    """Run `passes` passes over `samples` with all requests in flight, after an untimed turn.

    Args:
        requests: all idle before and after.
        samples: the sequence; it is repeated without end.
        passes: how many are counted.
        lead_in_s: how long to run untimed before.
        offset: where in the sequence the counted inferences begin, as a share of a pass.

    Returns:
        How many inferences were counted, the seconds of the window, and the latency of each in seconds.
    """
    counted, first = passes * len(samples), int(offset * len(samples))
    if len(requests.requests) == 1:
        return _drive_one(requests, samples, counted, lead_in_s, first)
    return _Passes(requests, samples, first).run(counted, lead_in_s)


def _drive_one(requests: Requests, samples: SampleTensors, counted: int, lead_in_s: float, first: int) -> Burst:
    request, deadline = requests.requests[0], perf_counter() + lead_in_s

    def infer(number: int) -> float:
        samples.set(request, number)
        request.infer(share_outputs=True)
        return float(request.latency) / 1e3

    infer(first - 1)
    while perf_counter() < deadline:
        for number in range(len(samples)):
            infer(first + number)
    began_s = perf_counter()
    latencies_s = tuple(infer(first + number) for number in range(counted))
    return counted, perf_counter() - began_s, latencies_s


class _Passes:
    """A block with several requests. Inferences are numbered in the order in which they are started."""

    def __init__(self, requests: Requests, samples: SampleTensors, first: int) -> None:
        self._requests = requests
        self._samples = samples
        self._first = first - requests.turn
        self._started_s: list[float] = []
        self._running: dict[int, int] = {}  # by request, the number of its inference
        self._cycles_s: dict[int, float] = {}
        self._latencies_ms: dict[int, float] = {}

    def run(self, counted: int, lead_in_s: float) -> Burst:
        lead_in = self._lead_in(perf_counter() + lead_in_s)
        end = lead_in + counted
        self._start_until(end)
        while any(number < end for number in self._running.values()):
            self._start()
        self._requests.queue.wait_all()
        cycles_s = sum(self._cycles_s[number] for number in range(lead_in, end))
        latencies_s = tuple(self._latencies_ms[number] / 1e3 for number in range(lead_in, end))
        return counted, cycles_s / len(self._requests.requests), latencies_s

    def _lead_in(self, deadline: float) -> int:
        """Run the turn before, then whole passes until `deadline`; return how many inferences that were."""
        self._start_until(self._requests.turn)
        while perf_counter() < deadline:
            self._start_until(len(self._started_s) + len(self._samples))
        return len(self._started_s)

    def _start_until(self, number: int) -> None:
        while len(self._started_s) < number:
            self._start()

    def _start(self) -> None:
        """Start the next inference as soon as a request is idle; that ends the cycle of the one before it."""
        queue, in_queue, number = self._requests.queue, self._requests.requests, len(self._started_s)
        index = queue.get_idle_request_id()
        before = self._running.get(index)
        if before is not None:
            self._latencies_ms[before] = in_queue[index].latency
        self._samples.set(in_queue[index], self._first + number)
        self._running[index] = number
        self._started_s.append(now := perf_counter())
        if before is not None:
            self._cycles_s[before] = now - self._started_s[before]
        queue.start_async()


def drive_one_by_one(requests: Requests, samples: SampleTensors, seconds: float) -> int:
    """Run one sample after the other in the first request for `seconds`; return how many, at least one."""
    deadline = perf_counter() + seconds
    for number in count():
        samples.set(requests.requests[0], number)
        requests.requests[0].infer(share_outputs=True)
        if perf_counter() >= deadline:
            return number + 1
    raise AssertionError("count() doesn't end")


def measure_data_effect(requests: Requests, samples: SampleTensors, seed: int) -> DataEffect:
    """Return how much the time of one request depends on the sample.

    After an untimed pass come turns of every sample in random order: within about a second, as many as it takes to
    see a small effect, or to be sure of a large one.
    """
    order, numbers = random.Random(seed), range(len(samples))
    _time_turn(requests, samples, list(numbers))
    deadline, turns = perf_counter() + TURNS_WITHIN_S, []
    while True:
        turns.append(_time_turn(requests, samples, order.sample(numbers, len(numbers))))
        if len(turns) < LEAST_TURNS:
            continue
        effect = data_effect(np.array(turns))
        is_clear = effect.largest > CLEAR * effect.half_width or effect.half_width < SMALLEST_EFFECT
        if perf_counter() > deadline or len(turns) == MOST_TURNS or (is_clear and len(turns) >= FEW_TURNS):
            return effect


def _time_turn(requests: Requests, samples: SampleTensors, numbers: list[int]) -> NDArray[Any]:
    """Run each sample once, in this order, from a reset state; return the seconds of each, by number."""
    request = requests.requests[0]
    times_s = np.empty(len(numbers))
    for number in numbers:
        reset_states(requests)
        samples.set(request, number)
        request.infer(share_outputs=True)
        times_s[number] = request.latency / 1e3
    return times_s
