"""Arms of workers: real ones that run the real OpenVINO, and what becomes of them when things go wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.parent import pool
from autotp.measuring.parent.pool import Workers
from autotp.measuring.parent.watchdog import UNSCALED_LIMITS, PhaseLimits
from autotp.measuring.rounds import worker_arm
from autotp.measuring.rounds.arm import ArmSpec, stop_all
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.workload import Run
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import locate
from autotp.space.limits.affinity import Mask
from tests.support.faults import Fault, requests_for
from tests.support.language_models import language_model
from tests.support.models import matmul_model, sized_model
from tests.support.processes import gone, pid_of, running

MEGABYTE = 1 << 20
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model."""
    return matmul_model(tmp_path_factory.mktemp("model"))


class Arms(list[WorkerArm]):
    """Arms to be stopped when the test ends, and where their workers come from."""

    def __init__(self, source: Workers) -> None:
        super().__init__()
        self.source = source


@pytest.fixture
def arms(workers: Workers) -> Iterator[Arms]:
    """None so far."""
    started = Arms(workers)
    yield started
    stop_all(started)


def plan(path: Path, *, mask: Mask | None = None, nireq: int | None = None, **properties: str) -> Plan:
    """A plan in f32, of two streams unless given others."""
    properties = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "2", **properties}
    return Plan(files=locate(path), shapes={}, properties=properties, mask=mask, nireq=nireq)


def launched(arms: Arms, *plans: Plan) -> WorkerArm:
    """An arm whose workers are being started."""
    arms.append(WorkerArm(ArmSpec(plans=plans, workload=ClosedLoop()), arms.source))
    arms[-1].launch()
    return arms[-1]


def ready(arms: Arms, *plans: Plan) -> WorkerArm:
    """An arm whose workers have started."""
    arm = launched(arms, *plans)
    arm.await_start()
    return arm


def pids(arm: WorkerArm) -> list[int]:
    """The process ids of its workers."""
    return [pid_of(worker) for worker in arm._workers]


def masks_of_threads(pid: int) -> set[Mask]:
    """The masks that the threads of a process have."""
    return {tuple(os.sched_getaffinity(int(task.name))) for task in Path(f"/proc/{pid}/task").iterdir()}


def test_an_arm_starts_warms_up_runs_blocks_and_leaves_nothing(model: Path, arms: Arms) -> None:
    """From launch to stop: the observed config, whole blocks with a latency each, and no process left."""
    arm = launched(arms, plan(model, nireq=3))
    (started,) = arm.await_start()
    assert (started.effective.streams, started.effective.requests) == (2, 3)
    assert started.properties["NUM_STREAMS"] == "2"
    assert started.compile_s > 0
    arm.warm_up()
    for block in (arm.block(Run(duration_s=0.01)), arm.block(Run())):
        assert len(block.latencies_s) == block.count > 0
        assert 20 * MEGABYTE < block.memory_bytes < 2000 * MEGABYTE
    (pid,) = pids(arm)
    arm.stop()
    arm.stop()
    assert gone(pid)


def test_the_blocks_of_several_workers_add_up(model: Path, arms: Arms) -> None:
    """Two instances run at once; counts and memory add, latencies are pooled, and each has its own mask."""
    cpus = sorted(os.sched_getaffinity(0))
    masks = [(cpus[0],), (cpus[-1],)]
    arm = ready(arms, *(plan(model, mask=mask, NUM_STREAMS="1") for mask in masks))
    assert [started.effective.threads for started in arm.started] == [1, 1]
    assert [masks_of_threads(pid) for pid in pids(arm)] == [{masks[0]}, {masks[1]}]
    block = arm.block(Run(duration_s=0.02))
    assert len(block.latencies_s) == block.count >= 2
    assert block.elapsed_s > 0.019
    assert block.memory_bytes > 40 * MEGABYTE


def test_an_arm_is_watched_in_its_first_worker(model: Path, arms: Arms) -> None:
    """The activity is that of one process, in which the caller runs the inferences itself."""
    seen = ready(arms, plan(model, NUM_STREAMS="1"), plan(model, NUM_STREAMS="1")).watch()
    assert seen.busy_threads >= 1
    assert seen.caller_sleeps < 0.5


def test_a_worker_killed_while_it_is_watched_takes_its_siblings_along(model: Path, arms: Arms) -> None:
    """A death is a failure of the phase `proof`, and no worker is left."""
    arm = ready(arms, plan(model), plan(model))
    first, second = pids(arm)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(ArmFailure) as caught:
        arm.watch()
    assert caught.value.phase is Phase.PROOF
    assert gone(second)


def test_workers_that_run_at_once_share_the_time() -> None:
    """The sum of blocks has all inferences at the sum of the rates; the rest of the wall time is untimed."""
    blocks = (
        Block(count=2, elapsed_s=0.5, latencies_s=(0.2, 0.3), memory_bytes=10),
        Block(count=1, elapsed_s=0.6, latencies_s=(0.6,), memory_bytes=20),
    )
    total = worker_arm._sum(blocks)
    assert (total.count, total.latencies_s, total.memory_bytes) == (3, (0.2, 0.3, 0.6), 30)
    assert total.count / total.elapsed_s == pytest.approx(2 / 0.5 + 1 / 0.6)
    assert total.elapsed_s + total.untimed_s == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGKILL, Status.OUT_OF_MEMORY), (signal.SIGSEGV, Status.CRASHED)]
)
def test_a_worker_killed_in_a_block_is_a_failure_of_that_phase(
    model: Path, arms: Arms, number: signal.Signals, status: Status
) -> None:
    """The failure says how the worker ended and in which phase; nothing of the arm is left."""
    arm = ready(arms, plan(model))
    (pid,) = pids(arm)
    os.kill(pid, number)
    with pytest.raises(ArmFailure) as caught:
        arm.block(Run(duration_s=0.01))
    assert (caught.value.status, caught.value.phase) == (status, Phase.BLOCK)
    assert number.name in caught.value.message
    assert gone(pid)


def test_a_worker_killed_while_it_starts_is_a_failure_of_the_start(
    model: Path, arms: Arms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill before the first reply, which this worker never gives, belongs to the phase start."""
    monkeypatch.setattr(pool, "ENTRY", "tests.support.faults")
    arm = launched(arms, plan(model, nireq=requests_for(Fault.SLEEP, Phase.START)))
    os.kill(pids(arm)[0], signal.SIGKILL)
    with pytest.raises(ArmFailure) as caught:
        arm.await_start()
    assert (caught.value.status, caught.value.phase) == (Status.OUT_OF_MEMORY, Phase.START)


def test_a_hanging_worker_times_out_and_takes_its_siblings_along(model: Path, arms: Arms) -> None:
    """When one of two workers hangs the watchdog ends both, within its time."""
    arm = ready(arms, plan(model), plan(model))
    arms.source.clock.limits = PhaseLimits({**UNSCALED_LIMITS.seconds, Phase.BLOCK: 0.3})
    workers = pids(arm)
    os.kill(workers[1], signal.SIGSTOP)
    with pytest.raises(ArmFailure) as caught:
        arm.block(Run(duration_s=0.01))
    assert (caught.value.status, caught.value.phase) == (Status.TIMED_OUT, Phase.BLOCK)
    assert all(gone(pid) for pid in workers)


def test_a_config_that_openvino_refuses_is_invalid(model: Path, arms: Arms) -> None:
    """A bad property is INVALID at the compile, with OpenVINO's reason."""
    arm = launched(arms, plan(model, FOO="1"))
    with pytest.raises(ArmFailure, match="OpenVINO can't compile") as caught:
        arm.await_start()
    assert (caught.value.status, caught.value.phase) == (Status.INVALID, Phase.COMPILE)


def test_inputs_that_openvino_cannot_run_fail_in_the_inference(tmp_path: Path, arms: Arms) -> None:
    """The compile was fine; the inputs are to blame, and the workload says what to do about them."""
    arm = launched(arms, plan(sized_model(tmp_path)))
    with pytest.raises(ArmFailure, match="sized") as caught:
        arm.await_start()
    found = caught.value
    assert (found.status, found.phase, found.input_error) == (Status.CRASHED, Phase.INFERENCE, True)
    assert found.advice == ClosedLoop().inputs_advice


def test_a_sample_that_only_a_later_request_gets_fails_in_the_warm_up(tmp_path: Path, arms: Arms) -> None:
    """The first inferences run no more than one request; a sample of another one is as much to blame."""
    data = tmp_path / "sizes.npz"
    np.savez(data, x=np.zeros((4, 3, 4), np.float32), size=np.array([[3, 4], [4, 3], [2, 6], [5, 7]]))
    spec = ArmSpec(plans=(plan(sized_model(tmp_path), nireq=4),), workload=ClosedLoop(data=data))
    arms.append(WorkerArm(spec, arms.source))
    arms[0].launch()
    arms[0].await_start()
    with pytest.raises(ArmFailure, match="sized") as caught:
        arms[0].warm_up()
    assert (caught.value.phase, caught.value.input_error) == (Phase.WARM_UP, True)
    assert data.name in caught.value.advice


class Rates(WorkerArm):
    """An arm whose blocks have these rates."""

    def __init__(self, rates: list[int]) -> None:
        super().__init__(ArmSpec(plans=(), workload=ClosedLoop()), Workers())
        self.rates, self.blocks = rates, 0

    def _run(self, run: Run, phase: Phase) -> Block:
        rate = self.rates[min(self.blocks, len(self.rates) - 1)]
        assert run == Run(number=self.blocks, duration_s=0.05, flat_out=True)
        assert phase is Phase.WARM_UP
        self.blocks += 1
        return Block(count=rate, elapsed_s=1.0, latencies_s=(), memory_bytes=1)


@pytest.mark.parametrize(
    ("rates", "blocks"),
    [([100], 3), ([100, 100, 50, 51], 4), ([10, 20, 40, 80, 81], 5), ([10, 100] * 20, worker_arm.WARM_UP_BLOCKS)],
)
def test_warm_up_ends_when_the_rate_is_steady(rates: list[int], blocks: int) -> None:
    """At least three blocks, until two in a row agree within 10 %, and no more than twenty."""
    arm = Rates(rates)
    arm.warm_up()
    assert arm.blocks == blocks


def test_what_a_workload_leaves_open_is_chosen_in_the_first_worker(tmp_path: Path, arms: Arms) -> None:
    """A language model says how long its prompts are to be; all else stays as it was asked for."""
    files = locate(language_model(tmp_path, context=200))
    plan_ = Plan(files=files, shapes={}, properties={"INFERENCE_PRECISION_HINT": "f32"}, nireq=1)
    arms.append(WorkerArm(ArmSpec(plans=(plan_,), workload=Generation(seed=2, new_tokens=64)), arms.source))
    arms[0].launch()
    arms[0].await_start()
    assert arms[0].choose() == Generation(seed=2, prompt_tokens=128, new_tokens=64)


def test_an_arm_whose_outputs_nobody_compared_has_no_error(model: Path, arms: Arms) -> None:
    """Nothing is wrong with them."""
    assert ready(arms, plan(model)).output_error.max_abs_error == 0.0


PARENT = """
import signal, sys, time
from pathlib import Path
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.workload import Run
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import locate

with Workers() as workers:
    plan = Plan(files=locate(Path(sys.argv[1])), shapes={}, properties={})
    arm = WorkerArm(ArmSpec(plans=(plan,), workload=ClosedLoop()), workers)
    arm.launch()
    arm.await_start()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored in the tests' own process
    try:
        print(arm._workers[0].pid, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print(arm.block(Run()).count, flush=True)
        arm.stop()
"""


@pytest.fixture
def parent(model: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A process in a group of its own with a started worker, and the worker's id."""
    argv = (sys.executable, "-c", PARENT, str(model))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT) as started:
        assert started.stdout is not None
        worker = int(started.stdout.readline())
        try:
            yield started, worker
        finally:
            started.kill()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_worker_ends_with_its_parent(parent: tuple["subprocess.Popen[str]", int], stopped: bool) -> None:
    """When the parent is killed, so is the worker, even one that hangs; the fork server is gone, too."""
    process_, worker = parent
    server = psutil.Process(worker).ppid()
    assert running(worker)
    if stopped:
        os.kill(worker, signal.SIGSTOP)
    os.kill(process_.pid, signal.SIGKILL)
    assert gone(worker)
    assert gone(server)


def test_ctrl_c_reaches_the_parent_alone(parent: tuple["subprocess.Popen[str]", int]) -> None:
    """After a SIGINT to the parent's whole group its worker still answers a block."""
    process_, worker = parent
    os.killpg(process_.pid, signal.SIGINT)
    out, _ = process_.communicate(timeout=30)
    assert int(out) >= 1
    assert process_.returncode == 0
    assert gone(worker)
