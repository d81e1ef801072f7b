"""Closed loops on the real OpenVINO: counts and latencies, never speed."""

import math
from pathlib import Path

import pytest

from autotp.measure.protocol import Loop
from autotp.measure.workload import drive
from autotp.runtime import Plan, Requests, compile_plan, create_requests, locate
from autotp.runtime.inputs import seeded_samples
from tests.models import matmul_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds the small model."""
    matmul_model(tmp_path)
    return tmp_path


def requests(folder: Path, nireq: int) -> Requests:
    """`nireq` requests of the small model."""
    properties = {"NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    plan = Plan(files=locate(folder / "model.xml"), shapes={}, properties=properties, nireq=nireq)
    compiled = compile_plan(plan)
    return create_requests(compiled, seeded_samples(compiled.info, 0))


@pytest.mark.parametrize("nireq", [1, 2, 3, 7])
@pytest.mark.parametrize("duration_s", [0.0, 0.01])
def test_the_count_is_a_multiple_of_the_requests_in_flight(folder: Path, nireq: int, duration_s: float) -> None:
    """A block ends on a whole turn of the requests, at least one, and lasts no less than asked."""
    count, elapsed_s, latencies_s = drive(requests(folder, nireq), Loop.of(nireq), duration_s)
    assert count >= nireq
    assert count % nireq == 0
    assert elapsed_s >= duration_s - 1e-6
    assert len(latencies_s) == count


@pytest.mark.parametrize("nireq", [1, 4])
def test_each_inference_has_its_own_latency(folder: Path, nireq: int) -> None:
    """Latencies are positive seconds that together fit into the time of the requests in flight, and differ."""
    _, elapsed_s, latencies_s = drive(requests(folder, nireq), Loop.of(nireq), 0.05)
    assert all(math.isfinite(latency) and latency > 0 for latency in latencies_s)
    assert sum(latencies_s) <= nireq * elapsed_s
    assert len(set(latencies_s)) > 1


def test_a_block_of_no_time_is_one_turn(folder: Path) -> None:
    """Zero seconds run one inference synchronously, one of each request otherwise."""
    assert drive(requests(folder, 1), Loop.SYNC, 0.0)[0] == 1
    assert drive(requests(folder, 5), Loop.ASYNC, 0.0)[0] == 5


def test_blocks_leave_the_requests_idle(folder: Path) -> None:
    """After a block nothing is in flight, so that the next one starts afresh and counts its own alone."""
    driven = requests(folder, 3)
    for _ in range(3):
        count, _, latencies_s = drive(driven, Loop.ASYNC, 0.005)
        assert driven.queue.is_ready()
        assert len(latencies_s) == count


def test_one_request_may_be_driven_by_either_loop(folder: Path) -> None:
    """The asynchronous loop with one request gives a latency for each inference, too."""
    count, _, latencies_s = drive(requests(folder, 1), Loop.ASYNC, 0.005)
    assert len(latencies_s) == count >= 1
