"""The closed loop: what is asked of it, and on the real OpenVINO counts and latencies, never speed."""

from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from autotp.errors import InputError
from autotp.findings.loop import Loop
from autotp.findings.metric import METRICS
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.closed_loop import ClosedLoop, InferenceDriver
from autotp.measuring.workload.workload import BlockUnit, Run, Wanted
from autotp.options import Spelling, spelled_for
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.models.model_files import ModelFiles, ModelKind, locate
from autotp.space.knobs.config import Config
from tests.support.models import WIDTH, counting_model, matmul_model

PLAIN = ModelFiles(Path("plain.xml"), ModelKind.IR)


def asked(**given: Any) -> ClosedLoop:
    """The closed loop of a call for throughput with these options."""
    return ClosedLoop.of(PLAIN, Wanted((METRICS["throughput"],), (), 10.0), given)


def test_what_is_asked_is_what_drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data are named by their whole path, as workers may live elsewhere."""
    monkeypatch.chdir(tmp_path)
    Path("d.npz").write_bytes(b"")
    assert asked(seed=3, data="d.npz") == ClosedLoop(seed=3, data=tmp_path / "d.npz")
    assert asked() == ClosedLoop(seed=0, data=None)
    (tmp_path / "linked.npz").symlink_to("d.npz")
    assert asked(data="linked.npz").facts()["inputs"] == "linked.npz"


def test_data_that_are_not_there_are_bad_input() -> None:
    """The text names the file, and the option as the caller spells it."""
    with pytest.raises(InputError, match=r"^data: there is no file gone\.npz"):
        asked(data=Path("gone.npz"))
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(InputError, match=r"^--data: there is no file gone"):
        asked(data=Path("gone.npz"))


def test_requests_follow_the_objective() -> None:
    """`nireq` decides; without it OpenVINO's optimum for throughput and where all is of interest, else one."""
    four, none, loop = Config.of({"nireq": 4}), Config(), ClosedLoop()
    throughput, latency = (METRICS["throughput"],), (METRICS["latency_p50"],)
    assert [loop.nireq(config, throughput) for config in (four, none)] == [4, None]
    assert [loop.nireq(config, latency) for config in (four, none)] == [4, 1]
    assert [loop.nireq(config, ()) for config in (four, none)] == [4, None]


def test_what_is_tried_first_fits_the_machine() -> None:
    """Streams follow the cores, the split the sockets, and f32 is tried by itself."""
    found = [Config.of(settings) for settings in ClosedLoop().first_settings(cores=16, sockets=2)]
    assert Config.of({"num_streams": 16, "nireq": 64}) in found
    assert Config.of({"distribution_policy": "tensor_parallel", "split_count": 2}) in found
    assert Config.of({"inference_precision_hint": "f32"}) in found


def test_a_turn_is_one_inference_of_each_request() -> None:
    """Of a block of ten inferences in a second four take 0.4 s."""
    assert ClosedLoop().turn_s(Block(count=10, elapsed_s=1.0), in_flight=4) == pytest.approx(0.4)


def test_blocks_are_passes_where_the_time_depends_on_the_inputs() -> None:
    """What counts as a turn is then a pass, whatever is in flight, and reports say so."""
    varying, steady = (ClosedLoop(data_dependent=known, sample_count=5) for known in (True, False))
    assert (varying.unit, steady.unit, ClosedLoop().unit) == (
        BlockUnit.PASSES, BlockUnit.SECONDS, BlockUnit.SECONDS
    )  # fmt: skip
    assert varying.turn_s(Block(count=10, elapsed_s=1.0), in_flight=4) == pytest.approx(0.5)
    assert varying.description is not None
    assert "5 samples" in varying.description
    assert steady.description is None


def test_whether_it_depends_on_them_is_open_at_first() -> None:
    """Once it is known it stays."""
    loop = ClosedLoop()
    chosen = loop.with_chosen({"data_dependent": True, "sample_count": 8})
    assert loop.open_fields == ("data_dependent", "sample_count")
    assert (chosen.data_dependent, chosen.sample_count, chosen.open_fields) == (True, 8, ())


def test_one_request_is_run_synchronously() -> None:
    """A single request in flight is the sync loop; several, or OpenVINO's optimum, are the async one."""
    assert [ClosedLoop().kind(nireq) for nireq in (1, 2, None)] == [Loop.SYNC, Loop.ASYNC, Loop.ASYNC]


def test_figures_are_comparable_where_the_data_are_the_same(tmp_path: Path) -> None:
    """What the file holds counts, not its name; tuned.yaml holds the name alone."""
    one, same, other = (tmp_path / name for name in ("one.npz", "same.npz", "other.npz"))
    for path, content in ((one, b"1"), (same, b"1"), (other, b"2")):
        path.write_bytes(content)
    identities = [ClosedLoop(data=path).identity() for path in (one, same, other, None)]
    assert identities[0] == identities[1]
    assert identities[0] not in identities[2:]
    assert ClosedLoop(seed=2, data=one).facts() == {"seed": 2, "inputs": "one.npz"}
    assert ClosedLoop(seed=2).facts() == {"seed": 2}
    known = ClosedLoop(seed=2, data_dependent=False, sample_count=8)
    assert known.facts() == {"seed": 2, "data_dependent": False, "sample_count": 8}


def test_a_driver_runs_the_samples_of_the_data(tmp_path: Path) -> None:
    """The outputs to be judged are theirs, all of which decide; a block has a latency for each inference."""
    np.savez(tmp_path / "data.npz", x=np.zeros((3, 1, WIDTH), np.float32))
    plan = Plan(files=locate(matmul_model(tmp_path)), shapes={}, properties={"NUM_STREAMS": "1"}, nireq=2)
    driver = InferenceDriver(compile_plan(plan), ClosedLoop(data=tmp_path / "data.npz"))
    assert [outputs["y"].any() for outputs in driver.outputs(None)] == [False] * 3
    assert driver.deciding is None
    assert driver.copy_s > 0
    assert driver.infer(0.0) == 1
    block = driver.block(Run(duration_s=0.005))
    assert block.count == len(block.latencies_s) >= 2
    assert driver.choose()["sample_count"] == 3


@pytest.mark.parametrize("nireq", [1, 3])
def test_a_driver_runs_passes_where_the_time_depends_on_the_inputs(tmp_path: Path, nireq: int) -> None:
    """As many as the block says, of each sample once; a warm-up runs them for as long as it was asked to."""
    plan = Plan(files=locate(matmul_model(tmp_path)), shapes={}, properties={"NUM_STREAMS": "1"}, nireq=nireq)
    driver = InferenceDriver(compile_plan(plan), ClosedLoop(data_dependent=True, sample_count=5))
    block = driver.block(Run(amount=3))
    assert block.count == len(block.latencies_s) == 15
    assert driver.infer(0.0) == 1
    began = perf_counter()
    assert driver.block(Run(duration_s=0.05, flat_out=True)).count == 5
    assert perf_counter() - began >= 0.05


def test_each_block_begins_with_a_reset_state(tmp_path: Path) -> None:
    """A state that grows would make each block slower than the one before: it holds this block's steps alone."""
    plan = Plan(files=locate(counting_model(tmp_path, grows=True)), shapes={}, properties={}, nireq=1)
    driver = InferenceDriver(compile_plan(plan), ClosedLoop())
    for _ in range(3):
        count = driver.block(Run()).count
    (request,) = driver._requests.requests
    assert request.query_state()[0].state.shape[0] == 1 + count  # and that of the lead-in
