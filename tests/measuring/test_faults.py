"""What becomes of an arm whose worker misbehaves, for each fault in each phase, with the real OpenVINO."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

import psutil
import pytest

from autotp.errors import EnvironmentFailure, ModelError
from autotp.measuring.failure import ArmFailure, Phase
from autotp.measuring.jobs.preparation import inspect
from autotp.measuring.parent import pool as workers_module
from autotp.measuring.parent import process
from autotp.measuring.parent.pool import Workers
from autotp.measuring.parent.watchdog import UNSCALED_LIMITS, PhaseLimits
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.workload import Run
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import locate
from tests.support.cgroup import memory_limit, memory_limit_available
from tests.support.faults import GROUP, GROUP_BYTES, PHASES, Fault, model_name_for, requests_for
from tests.support.models import matmul_model

SHORT_S = 0.3  # the watchdog of the phase in which a worker falls silent; all others keep theirs

STEPS = {
    Phase.START: WorkerArm.await_start,
    Phase.COMPILE: WorkerArm.await_start,
    Phase.WARM_UP: WorkerArm.warm_up,
    Phase.BLOCK: lambda arm: arm.block(Run()),
    Phase.PROOF: WorkerArm.watch,
}


@pytest.fixture(scope="module")
def faulty() -> Iterator[Workers]:
    """Where all arms of this module come from: one fork server, whose workers misbehave when asked to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers_module, "ENTRY", "tests.support.faults")
        patch.setattr(process, "STATUS_WITHIN_S", 0.3)
        with ExitStack() as stack:
            if memory_limit_available() is None:
                group = stack.enter_context(memory_limit(GROUP_BYTES))
                patch.setenv(GROUP, str(group.folder))
            made = stack.enter_context(Workers())
            with one_environment():
                made.start().kill()  # so that the server is there: some tests allow little time to start
            yield made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model."""
    return matmul_model(tmp_path_factory.mktemp("model"))


@contextmanager
def one_environment() -> Iterator[None]:
    """Keep out what pytest says of each test, which would be an environment, and a fork server, of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_CURRENT_TEST")
        yield


def arm_of(workers: Workers, model: Path, requests: int = 1) -> WorkerArm:
    """An arm that is being started."""
    plan = Plan(files=locate(model), shapes={}, properties={"NUM_STREAMS": "1"}, mask=None, nireq=requests)
    arm = WorkerArm(ArmSpec(plans=(plan,), workload=ClosedLoop()), workers)
    with one_environment():
        arm.launch()
    return arm


def left_of(workers: Workers) -> list[psutil.Process]:
    """What the fork servers have as children after a moment: nothing, not even a zombie, is right."""
    deadline = time.monotonic() + 5.0
    while (left := [child for s in servers(workers) for child in s.children(recursive=True)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.005)
    return left


def servers(workers: Workers) -> list[psutil.Process]:
    """The fork servers."""
    return [psutil.Process(server._process.pid) for server in workers._servers.values()]


def skip_where_impossible(fault: Fault) -> None:
    """The OOM killer can only be called on a group of one's own."""
    if fault is Fault.ALLOCATE and (reason := memory_limit_available()):
        pytest.skip(reason)


def watched(workers: Workers, fault: Fault, phase: Phase) -> None:
    """Shorten the watchdog where nothing else can notice the fault."""
    workers.clock.limits = PhaseLimits(
        {**UNSCALED_LIMITS.seconds, phase: SHORT_S} if fault.silent else UNSCALED_LIMITS.seconds
    )


@pytest.mark.parametrize(("fault", "phase"), list(product(Fault, PHASES)))
def test_a_fault_ends_its_arm_alone(faulty: Workers, model: Path, fault: Fault, phase: Phase) -> None:
    """The failure has status, phase and the log's tail; nothing of the arm is left; the next arm runs."""
    skip_where_impossible(fault)
    arm = arm_of(faulty, model, requests_for(fault, phase))
    pid = arm._workers[0].pid
    assert pid is not None
    watched(faulty, fault, phase)
    with pytest.raises(ArmFailure) as caught:
        if phase not in (Phase.START, Phase.COMPILE):
            arm.await_start()
        STEPS[phase](arm)
    status, message = fault.expected
    assert (caught.value.status, caught.value.phase) == (status, phase)
    assert message in caught.value.message
    assert fault.last_words in caught.value.log_tail
    assert left_of(faulty) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    faulty.clock.limits = UNSCALED_LIMITS
    healthy = arm_of(faulty, model)
    healthy.await_start()
    assert healthy.block(Run()).count >= 1
    healthy.stop()


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.OUT_OF_TURN])
def test_a_fault_while_a_model_is_read_is_one_of_the_model(faulty: Workers, tmp_path: Path, fault: Fault) -> None:
    """Whatever brings the reader down, one sentence says so of the file."""
    skip_where_impossible(fault)
    watched(faulty, fault, Phase.INSPECT)
    model = matmul_model(tmp_path, model_name_for(fault, Phase.INSPECT))
    with pytest.raises(ModelError, match=rf"{model.name} can't be read: .*{fault.expected[1]}"), one_environment():
        inspect(faulty, locate(model), {})
    assert left_of(faulty) == []


@pytest.mark.parametrize("fault", [Fault.EXIT, Fault.SLEEP])
def test_a_worker_that_cannot_start_is_no_fault_of_the_model(
    faulty: Workers, tmp_path: Path, fault: Fault
) -> None:
    """Where a worker never gets as far as the model, it's the environment that failed."""
    watched(faulty, fault, Phase.START)
    model = matmul_model(tmp_path, model_name_for(fault, Phase.START))
    with pytest.raises(EnvironmentFailure, match=r"No worker can be started: .* in start: "), one_environment():
        inspect(faulty, locate(model), {})
    assert left_of(faulty) == []
