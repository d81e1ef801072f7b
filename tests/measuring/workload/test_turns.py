"""Blocks of whole turns, on the real OpenVINO: counts and latencies, never speed."""

import math
from pathlib import Path
from time import perf_counter

import pytest

from autotp.measuring.workload.turns import drive
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.inference.requests import Requests, create_requests
from autotp.runtime.models.model_files import locate
from tests.support.models import matmul_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds the small model."""
    matmul_model(tmp_path)
    return tmp_path


def requests(folder: Path, nireq: int, streams: int = 1, path: Path | None = None) -> Requests:
    """`nireq` requests of the small model, or of that at `path`, on one thread for each stream."""
    properties = {"NUM_STREAMS": f"{streams}", "INFERENCE_PRECISION_HINT": "f32"}
    properties["INFERENCE_NUM_THREADS"] = f"{streams}"
    plan = Plan(files=locate(path or folder / "model.xml"), shapes={}, properties=properties, nireq=nireq)
    compiled = compile_plan(plan)
    return create_requests(compiled, seeded_samples(compiled.info, 0))


@pytest.mark.parametrize("nireq", [1, 2, 3, 7])
@pytest.mark.parametrize("duration_s", [0.0, 0.01])
def test_a_window_is_whole_turns_and_no_shorter_than_asked(folder: Path, nireq: int, duration_s: float) -> None:
    """With one stream a turn is one inference of each request; each inference in the window has its latency."""
    count, elapsed_s, latencies_s = drive(requests(folder, nireq), one_at_a_time=nireq == 1, duration_s=duration_s)
    assert count >= nireq
    assert count % nireq == 0
    assert elapsed_s >= duration_s
    assert len(latencies_s) == count


@pytest.mark.parametrize(("nireq", "streams", "turn"), [(1, 2, 1), (2, 2, 2), (3, 2, 4), (4, 2, 4), (2, 3, 2)])
def test_a_turn_brings_the_streams_back_to_where_they_were(
    folder: Path, nireq: int, streams: int, turn: int
) -> None:
    """Where the requests don't come out even on the streams, a turn is more than one inference of each."""
    driven = requests(folder, nireq, streams)
    assert driven.turn == turn
    assert drive(driven, one_at_a_time=False, duration_s=0.005)[0] % turn == 0


@pytest.mark.parametrize("nireq", [1, 4])
def test_each_inference_has_its_own_latency(folder: Path, nireq: int) -> None:
    """Latencies are positive seconds and differ; an inference that began before the window counts whole."""
    _, elapsed_s, latencies_s = drive(requests(folder, nireq), one_at_a_time=nireq == 1, duration_s=0.05)
    assert all(math.isfinite(latency) and latency > 0 for latency in latencies_s)
    assert sum(latencies_s) <= nireq * (elapsed_s + max(latencies_s))
    assert len(set(latencies_s)) > 1


def test_a_window_of_no_time_is_one_turn(folder: Path) -> None:
    """Zero seconds time one inference synchronously, one of each request otherwise."""
    assert drive(requests(folder, 1), one_at_a_time=True, duration_s=0.0)[0] == 1
    assert drive(requests(folder, 5), one_at_a_time=False, duration_s=0.0)[0] == 5


@pytest.mark.parametrize("nireq", [1, 4])
def test_the_lead_in_is_not_timed(folder: Path, nireq: int) -> None:
    """It takes as long as asked for, and neither its time nor its inferences are in the figures."""
    driven, windows_s = requests(folder, nireq), []
    for _ in range(5):
        began = perf_counter()
        count, elapsed_s, latencies_s = drive(driven, one_at_a_time=nireq == 1, duration_s=0.0, lead_in_s=0.05)
        assert perf_counter() - began >= 0.05
        assert count == len(latencies_s) == nireq
        windows_s.append(elapsed_s)
    assert min(windows_s) < 0.05


def test_blocks_leave_the_requests_idle(folder: Path) -> None:
    """After a block nothing is in flight, so that the next one starts afresh and counts its own alone."""
    driven = requests(folder, 3)
    for _ in range(3):
        count, _, latencies_s = drive(driven, one_at_a_time=False, duration_s=0.005)
        assert driven.queue.is_ready()
        assert len(latencies_s) == count


def test_the_queue_is_full_throughout_the_window(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All requests but the one that closed it are in flight at its end, and drain after it."""
    driven, started = requests(folder, 8), 0
    start = driven.queue.start_async

    def counted() -> None:
        nonlocal started
        started += 1
        start()

    monkeypatch.setattr(driven.queue, "start_async", counted)
    for duration_s in (0.0, 0.02):
        started = 0
        count, _, _ = drive(driven, one_at_a_time=False, duration_s=duration_s)
        assert started == driven.turn + count + (8 - 1)


def test_one_request_may_be_driven_by_either_loop(folder: Path) -> None:
    """The asynchronous loop with one request gives a latency for each inference, too."""
    count, _, latencies_s = drive(requests(folder, 1), one_at_a_time=False, duration_s=0.005)
    assert len(latencies_s) == count >= 1
