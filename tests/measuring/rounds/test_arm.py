"""Arms side by side: how they are started and stopped."""

from pathlib import Path

import pytest

from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.parent.pool import Workers
from autotp.measuring.protocol import Started
from autotp.measuring.rounds.arm import ArmSpec, start_together, stop_all
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.workload import Run
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import locate
from tests.support.models import matmul_model
from tests.support.workerless import Workerless


class Noted(Workerless):
    """An arm that notes what it is asked to do, and fails at one of it."""

    def __init__(self, name: str, log: list[str], fails_at: str = "") -> None:
        super().__init__()
        self._name, self._log, self._fails_at = name, log, fails_at

    def _note(self, step: str) -> None:
        self._log.append(f"{step} {self._name}")
        if step == self._fails_at:
            raise ArmFailure(Status.CRASHED, Phase.START, step)

    def launch(self, beside: int = 0) -> None:
        """Note beside how many it is launched."""
        self._note(f"launch beside {beside}:")

    def await_start(self) -> tuple[Started, ...]:
        """Note that it was waited for."""
        self._note("await")
        return ()

    def warm_up(self) -> None:
        """Note that it was warmed up."""
        self._note("warm")

    def hang_up(self) -> None:
        """Note that it was to end."""
        self._note("hang up")

    def stop(self) -> None:
        """Note that its end was waited for."""
        self._note("stop")


def test_all_arms_are_asked_to_end_before_one_is_waited_for() -> None:
    """Large ones give their memory back side by side."""
    log: list[str] = []
    stop_all(Noted(name, log) for name in "ab")
    assert log == ["hang up a", "hang up b", "stop a", "stop b"]


def test_arms_start_side_by_side_and_warm_up_one_after_the_other() -> None:
    """Each is launched beside those before it; while one warms up the others are idle."""
    log: list[str] = []
    assert start_together([Noted(name, log) for name in "ab"]) == {}
    assert log == ["launch beside 0: a", "launch beside 1: b", "await a", "await b", "warm a", "warm b"]


def test_where_the_compile_counts_each_arm_compiles_alone() -> None:
    """The next is launched when the one before has compiled, and nothing that is launched is still growing."""
    log: list[str] = []
    assert start_together([Noted(name, log) for name in "ab"], one_by_one=True) == {}
    assert log == ["launch beside 0: a", "await a", "launch beside 0: b", "await b", "warm a", "warm b"]


@pytest.mark.parametrize("step", ["launch beside 1:", "await", "warm"])
def test_an_arm_that_fails_is_left_alone_from_there(step: str) -> None:
    """Its failure is reported by its place; the others go on."""
    log: list[str] = []
    failures = start_together([Noted("a", log), Noted("b", log, fails_at=step), Noted("c", log)])
    assert {index: failure.message for index, failure in failures.items()} == {1: step}
    assert log[-1] == "warm c"
    assert [line for line in log if line.endswith(" b")][-1] == f"{step} b"


def test_arms_start_together_and_fail_alone(tmp_path: Path, workers: Workers) -> None:
    """Of three arms the bad one is reported by its place, the others are ready, each with its own config."""
    files = locate(matmul_model(tmp_path))
    plans = [Plan(files=files, shapes={}, properties={"NUM_STREAMS": streams}) for streams in ("1", "x", "2")]
    arms = [WorkerArm(ArmSpec(plans=(plan,), workload=ClosedLoop()), workers) for plan in plans]
    failures = start_together(arms)
    assert list(failures) == [1]
    assert failures[1].status is Status.INVALID
    assert [arms[index].started[0].effective.streams for index in (0, 2)] == [1, 2]
    assert arms[0].block(Run()).count == 1
    assert arms[2].block(Run()).count == 2
    stop_all(arms)
