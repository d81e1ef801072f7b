"""Arrivals of a Poisson process, and latencies as queueing theory has them."""

from itertools import pairwise
from statistics import fmean, median, quantiles
from typing import Any

import numpy as np
import pytest
from scipy import stats

from autotp.measuring.workload.arrivals import LEAD_IN_SHARE, Arrivals, drive_open
from autotp.measuring.workload.open_loop import OPEN_BLOCK_S
from autotp.measuring.workload.turns import drive
from autotp.measuring.workload.workload import BLOCK_S
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.inference.requests import Requests, SampleTensors, create_requests
from autotp.runtime.models.model_files import locate
from tests.support.models import wide_model


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Requests:
    """One request of a model that takes a millisecond or two, the same each time, on one thread."""
    path = wide_model(tmp_path_factory.mktemp("model"), rows=512, width=512)
    properties = {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    properties["ENABLE_CPU_PINNING"] = "NO"  # it may evade a neighbour
    compiled = compile_plan(Plan(files=locate(path), shapes={}, properties=properties, nireq=1))
    return create_requests(compiled, seeded_samples(compiled.info, 0, 1))


def service_s(served: Requests) -> float:
    """How long an inference takes without others before it."""
    return median(drive(served, one_at_a_time=False, duration_s=0.1)[2])


def test_gaps_between_arrivals_are_exponential() -> None:
    """Over 5000 arrivals, lead-in and window alike, the gaps have the rate's mean and the exponential law."""
    arrivals = Arrivals.poisson(100.0, 40.0, 10.0, seed=0)
    gaps = [later - earlier for earlier, later in pairwise((0.0, *arrivals.arrivals_s))]
    assert len(gaps) == pytest.approx(5000, rel=0.06)
    assert fmean(gaps) == pytest.approx(0.01, rel=0.05)
    assert stats.kstest(gaps, "expon", (0, 0.01)).pvalue > 0.01


def test_the_seed_fixes_the_arrivals() -> None:
    """Arms of one round get the same arrivals, other rounds others."""
    assert Arrivals.poisson(50.0, 1.0, 0.0, seed=3) == Arrivals.poisson(50.0, 1.0, 0.0, seed=3)
    assert Arrivals.poisson(50.0, 1.0, 0.0, seed=3) != Arrivals.poisson(50.0, 1.0, 0.0, seed=4)


@pytest.mark.parametrize("duration_s", [0.0, 0.01, 2.0])
@pytest.mark.parametrize("lead_in_s", [0.0, 1.5])
def test_a_window_has_arrivals_before_it_and_in_it(duration_s: float, lead_in_s: float) -> None:
    """However short: at least one untimed arrival, which opens the window, and at least one in it."""
    for seed in range(20):
        arrivals = Arrivals.poisson(10.0, duration_s, lead_in_s, seed)
        opens_s = arrivals.arrivals_s[arrivals.untimed - 1]
        assert len(arrivals.arrivals_s) > arrivals.untimed >= 1
        assert opens_s >= max(lead_in_s, LEAD_IN_SHARE * duration_s)
        assert arrivals.ends_s >= opens_s + duration_s
        assert list(arrivals.arrivals_s) == sorted(arrivals.arrivals_s)
        assert arrivals.arrivals_s[-1] <= arrivals.ends_s


@pytest.mark.parametrize("lead_in_s", [0.0, 1.5])
def test_a_window_may_hold_so_many_arrivals(lead_in_s: float) -> None:
    """Exactly as many as whole passes take, after at least one that is untimed; the last one ends the window."""
    for seed in range(20):
        arrivals = Arrivals.counted(10.0, 16, lead_in_s, seed)
        assert len(arrivals.arrivals_s) - arrivals.untimed == 16
        assert arrivals.arrivals_s[arrivals.untimed - 1] >= lead_in_s
        assert list(arrivals.arrivals_s) == sorted(arrivals.arrivals_s)
        assert arrivals.ends_s == arrivals.arrivals_s[-1]


class Recorded(SampleTensors):
    """Samples that note in which order they are taken."""

    taken: tuple[int, ...] = ()

    def set(self, request: Any, number: int) -> None:
        """Note which sample it is."""
        self.taken += (number % len(self),)
        super().set(request, number)


def test_an_arrival_takes_the_sample_of_its_number(served: Requests) -> None:
    """The first one of the window takes the one that was asked for, those before it the ones before."""
    samples = Recorded([{"x": np.zeros((512, 512), np.float32)}] * 3)
    arrivals = Arrivals.counted(50.0, 6, 0.0, seed=1)
    count, _, latencies_s = drive_open(served, arrivals, samples, first=1 - arrivals.untimed)
    assert count == len(latencies_s) == 6
    assert samples.taken[-6:] == (1, 2, 0, 1, 2, 0)
    assert samples.taken[-7] == 0


@pytest.mark.parametrize("utilization", [0.8, 2.0])
def test_the_latency_is_at_least_that_of_a_queue(served: Requests, utilization: float) -> None:
    """An inference waits for those before it (Lindley's recursion), here with half of the shortest service.

    Neighbours on this CPU make services and waits longer, and never shorter. Latencies from when an inference was
    sent would hold no waits.
    """
    service_s = min(drive(served, one_at_a_time=False, duration_s=0.1)[2])
    rate_per_s, free_s = utilization / service_s, 0.0
    arrivals = Arrivals.poisson(rate_per_s, 120 / rate_per_s, 0.0, seed=0)
    _, _, latencies_s = drive_open(served, arrivals)
    for arrival_s, latency_s in zip(arrivals.arrivals_s[arrivals.untimed :], latencies_s, strict=True):
        free_s = max(free_s, arrival_s) + service_s / 2
        assert latency_s >= free_s - arrival_s


def test_an_inference_takes_at_least_what_openvino_says(served: Requests) -> None:
    """One that finds the queue empty has OpenVINO's own latency, and that of a timer that wakes late."""
    _, _, (latency_s,) = drive_open(served, Arrivals(arrivals_s=(0.0, 0.02), untimed=1, ends_s=5.0))
    assert latency_s >= served.requests[0].latency / 1e3 > 0


def test_over_saturation_the_backlog_shows_and_the_block_ends(served: Requests) -> None:
    """Far above what it can do latencies grow with the window; what isn't done in twice its time is given up."""
    arrivals = Arrivals.poisson(20_000.0, 0.1, 0.0, seed=3)
    count, _, latencies_s = drive_open(served, arrivals)
    assert len(latencies_s) == len(arrivals.arrivals_s) - arrivals.untimed
    assert 1 <= count < len(latencies_s)
    assert max(latencies_s) > 0.1
    assert served.queue.is_ready()


def test_a_lead_in_that_never_ends_is_given_up(served: Requests) -> None:
    """Where not even the lead-in is done in time, all of the window is given up, and the rate is the lead-in's."""
    arrivals = Arrivals.poisson(100_000.0, 0.05, 0.0, seed=3)
    count, elapsed_s, latencies_s = drive_open(served, arrivals)
    assert len(latencies_s) == len(arrivals.arrivals_s) - arrivals.untimed
    assert min(latencies_s) >= 0.05
    assert 1 <= count <= arrivals.untimed
    assert elapsed_s > 0


def test_a_wait_in_the_generator_is_part_of_the_latency(served: Requests) -> None:
    """Of five inferences that arrive at once on one request each has waited for the one before."""
    arrivals = Arrivals(arrivals_s=(0.0, *(0.01,) * 5), untimed=1, ends_s=5.0)
    count, elapsed_s, latencies_s = drive_open(served, arrivals)
    assert (count, elapsed_s) == (5, 5.0)
    assert all(later > earlier for earlier, later in pairwise(latencies_s))


def p90_in_services(utilization: float, service_s: float, duration_s: float) -> float:
    """The p90 over 100 blocks of one server that always takes as long, in services (Lindley's recursion)."""
    latencies_s: list[float] = []
    for seed in range(100):
        arrivals, free_s = Arrivals.poisson(utilization / service_s, duration_s, 0.0, seed), 0.0
        for number, arrival_s in enumerate(arrivals.arrivals_s):
            free_s = max(free_s, arrival_s) + service_s
            latencies_s += [free_s - arrival_s] if number >= arrivals.untimed else []
    return quantiles(latencies_s, n=10)[-1] / service_s


@pytest.mark.parametrize("service_s", [0.002, 0.01])
def test_blocks_are_long_enough_to_show_a_queue_without_end(service_s: float) -> None:
    """An arm that can't keep up (105 %) has a p90 far above one that can (70 %), as it hasn't in usual blocks."""
    behind, keeping = (p90_in_services(u, service_s, OPEN_BLOCK_S) for u in (1.05, 0.7))
    assert behind > 2.5 * keeping
    assert p90_in_services(1.05, service_s, BLOCK_S) < 0.5 * behind
