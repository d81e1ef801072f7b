"""Blocks of whole passes, on the real OpenVINO: which samples run and which count, never speed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotp.measuring.workload.passes import LEAST_TURNS, drive_one_by_one, drive_passes, measure_data_effect
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.inference.requests import Requests, SampleTensors, create_requests
from autotp.runtime.models.model_files import locate
from tests.support.models import branching_model, counting_model, matmul_model

COUNT = 5


class Recorded(SampleTensors):
    """Samples that note in which order they are taken."""

    def __init__(self, samples: Any) -> None:
        super().__init__(samples)
        self.taken: list[int] = []

    def set(self, request: Any, number: int) -> None:
        """Note which sample it is."""
        self.taken.append(number % COUNT)
        super().set(request, number)


def driven(path: Path, nireq: int, streams: int = 2) -> tuple[Requests, Recorded]:
    """Requests of the model on so many streams, and five samples."""
    properties = {"NUM_STREAMS": f"{streams}", "INFERENCE_NUM_THREADS": f"{streams}"}
    compiled = compile_plan(Plan(files=locate(path), shapes={}, properties=properties, nireq=nireq))
    samples = seeded_samples(compiled.info, 0, COUNT)
    return create_requests(compiled, samples), Recorded(samples)


@pytest.mark.parametrize("nireq", [1, 2, 3, 8])
@pytest.mark.parametrize(("passes", "offset", "first"), [(1, 0.0, 0), (3, 0.0, 0), (2, 0.5, 2)])
def test_each_sample_counts_equally_often(
    tmp_path: Path, nireq: int, passes: int, offset: float, first: int
) -> None:
    """After the turn before, which ends with the sample before them, they follow one another without a gap."""
    requests, samples = driven(matmul_model(tmp_path), nireq)
    count, elapsed_s, latencies_s = drive_passes(requests, samples, passes, offset=offset)
    assert count == len(latencies_s) == passes * COUNT
    assert elapsed_s > 0
    assert min(latencies_s) > 0
    counted = samples.taken[requests.turn if nireq > 1 else 1 :][:count]
    assert counted == [(first + number) % COUNT for number in range(count)]
    steps = zip(samples.taken, samples.taken[1:], strict=False)
    assert all(later == (earlier + 1) % COUNT for earlier, later in steps)


@pytest.mark.parametrize("nireq", [1, 4])
def test_a_lead_in_ends_where_the_sequence_begins(tmp_path: Path, nireq: int) -> None:
    """However long it runs, the counted inferences begin with the same sample."""
    requests, samples = driven(matmul_model(tmp_path), nireq)
    count, _, _ = drive_passes(requests, samples, 1, lead_in_s=0.01)
    turn = requests.turn if nireq > 1 else 1
    assert len(samples.taken) >= turn + COUNT + count
    whole = (len(samples.taken) - turn - count) // COUNT
    assert samples.taken[turn] == 0
    assert whole >= 1


@pytest.mark.parametrize("nireq", [1, 4])
def test_requests_are_idle_after_a_block(tmp_path: Path, nireq: int) -> None:
    """So the next block counts its own inferences alone."""
    requests, samples = driven(matmul_model(tmp_path), nireq)
    for _ in range(3):
        drive_passes(requests, samples, 1)
        assert requests.queue.is_ready()


def test_latencies_belong_to_their_samples(tmp_path: Path) -> None:
    """The long ones are those of the sample that takes a hundred times as long."""
    path = branching_model(tmp_path, width=1024, layers=16)
    requests, _ = driven(path, nireq=1)
    x = np.zeros((1, 1024), np.float32)
    samples = SampleTensors([{"flag": np.array([flag]), "x": x} for flag in (True, False, True)])
    drive_passes(requests, samples, 1)
    _, _, latencies_s = drive_passes(requests, samples, 2)
    long = sorted(range(6), key=lambda number: latencies_s[number])[-2:]
    assert sorted(long) == [1, 4]


def test_samples_run_one_by_one(tmp_path: Path) -> None:
    """At least one, in the order of the sequence, whatever the number of requests."""
    requests, samples = driven(matmul_model(tmp_path), nireq=3)
    assert drive_one_by_one(requests, samples, 0.0) == 1
    count = drive_one_by_one(requests, samples, 0.005)
    assert samples.taken[1:] == [number % COUNT for number in range(count)]


def test_an_effect_is_measured_on_every_sample_in_each_turn(tmp_path: Path) -> None:
    """From a reset state: one that grows would make each inference slower than the one before."""
    requests, samples = driven(counting_model(tmp_path, grows=True), nireq=1, streams=1)
    measure_data_effect(requests, samples, seed=0)
    turns = [sorted(samples.taken[start : start + COUNT]) for start in range(0, len(samples.taken), COUNT)]
    assert turns == [list(range(COUNT))] * len(turns)
    assert len(turns) >= 1 + LEAST_TURNS
    assert requests.requests[0].query_state()[0].state.shape[0] == 1


def test_a_branch_on_the_input_is_an_effect(tmp_path: Path) -> None:
    """One of its sides takes a hundred times as long as the other."""
    requests, _ = driven(path := branching_model(tmp_path, width=1024, layers=16), nireq=1)
    assert path.is_file()
    x = np.zeros((1, 1024), np.float32)
    samples = SampleTensors([{"flag": np.array([number % 3 == 0]), "x": x} for number in range(6)])
    assert measure_data_effect(requests, samples, seed=0).exists
