"""Arms that take turns, with real workers."""

from pathlib import Path

import msgspec
import psutil
import pytest

from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.job import Job
from autotp.measuring.jobs.preparation import record_reference
from autotp.measuring.outputs.reference import Outputs
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.rounds.turn_arm import Turn, TurnArm
from autotp.measuring.workload.workload import Run
from autotp.space.knobs.config import Config
from tests.support.jobs import job_for
from tests.support.models import matmul_model

ONE, TWO = (Config.of({"num_streams": 1, "nireq": nireq}) for nireq in (1, 2))
RUN = Run(duration_s=0.02)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A small model to measure."""
    return job_for(matmul_model(tmp_path))


def living() -> set[int]:
    """The workers that are alive: the children of the process that forks them."""
    return {child.pid for server in psutil.Process().children() for child in server.children()}


def test_processes_live_only_while_it_is_their_turn(job: Job, workers: Workers) -> None:
    """A block in new processes counts their start as untimed; the next block of the same arm needs none."""
    turn = Turn()
    one, two = (TurnArm(job.spec(config), workers, turn) for config in (ONE, TWO))
    for arm in (one, two):
        arm.launch()
        arm.await_start()
        arm.warm_up()
    assert not living()
    first = one.block(RUN)
    (pid,) = living()
    again = one.block(RUN)
    assert living() == {pid}
    assert first.count > 0
    assert first.untimed_s > 0.05 > again.untimed_s
    two.block(RUN)
    assert len(living()) == 1
    assert pid not in living()
    assert two.turn_s(first) == 2 * one.turn_s(first)
    one.stop()
    assert len(living()) == 1
    two.stop()
    assert not living()
    assert one.block(RUN).count > 0
    one.stop()


def test_outputs_are_compared_once(job: Job, workers: Workers, tmp_path: Path) -> None:
    """An arm that is checked starts for that; its blocks compare nothing."""
    path, turn = str(tmp_path / "reference.npz"), Turn()
    record_reference(workers, job.reference(path))
    checked = TurnArm(msgspec.structs.replace(job.spec(ONE), outputs=Outputs(path)), workers, turn)
    checked.launch()
    (started,) = checked.await_start()
    assert started.output_error is not None
    assert checked.output_error.max_abs_error < 0.1
    other = TurnArm(job.spec(TWO), workers, turn)
    assert other.await_start() == ()
    assert other.watch().tasks > 0
    assert len(living()) == 1
    assert checked.block(RUN).count > 0
    checked.stop()
    other.hang_up()
    other.stop()
    assert not living()


def test_a_failure_is_that_of_the_block(job: Job, workers: Workers) -> None:
    """What OpenVINO refuses fails when its turn comes; the other arm isn't harmed."""
    turn = Turn()
    (plan,) = job.spec(ONE).plans
    refused = msgspec.structs.replace(plan, properties={"NO_SUCH_PROPERTY": "1"})
    bad = TurnArm(ArmSpec(plans=(refused,), workload=job.workload), workers, turn)
    good = TurnArm(job.spec(TWO), workers, turn)
    bad.await_start()
    with pytest.raises(ArmFailure, match="NO_SUCH_PROPERTY"):
        bad.block(RUN)
    bad.stop()
    assert good.block(RUN).count > 0
    good.stop()
