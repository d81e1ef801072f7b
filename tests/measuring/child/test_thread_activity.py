"""What the threads of a process did, as the kernel reports it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from autotp.measuring.child import thread_activity
from autotp.measuring.child.thread_activity import STALE_SLICES, UNBOUND_SLICES, watch
from tests.support.busy_threads import CPUS, sleep, work


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices that are just long enough."""
    monkeypatch.setattr(thread_activity, "SLICE_S", 0.05)


@pytest.fixture
def worker() -> Iterator[threading.Thread]:
    """A thread that works until the test is over."""
    done = threading.Event()
    thread = threading.Thread(target=lambda: [work(0.01) for _ in iter(done.is_set, True)])
    thread.start()
    yield thread
    done.set()
    thread.join()


def test_a_caller_that_works_does_not_sleep() -> None:
    """It had the CPU, or wanted it, all the time; nobody else was busy."""
    seen = watch(work, CPUS, threads=0)
    assert seen.caller_sleeps < 0.1
    assert seen.busy_threads >= 1


def test_a_caller_that_hands_over_sleeps_each_time(worker: threading.Thread) -> None:
    """Its sleeps are counted per inference, and the thread that works for it is seen."""
    seen = watch(sleep, CPUS, threads=0)
    assert seen.caller_sleeps >= 1.0
    assert seen.busy_threads >= 1
    assert seen.tasks >= 2
    if seen.cpu_s:  # nothing is claimed where /proc and the masks show different CPUs
        assert sum(seen.cpu_s.values()) > 0.01
        assert set(seen.cpu_s) <= CPUS


ALONE = """
import json, os, threading, time
from autotp.measuring.child.thread_activity import STALE_SLICES, UNBOUND_SLICES, watch
from tests.support.busy_threads import CPUS, sleep, work

done = threading.Event()
worker = threading.Thread(target=lambda: [work(0.01) for _ in iter(done.is_set, True)])
worker.start()
free = watch(sleep, CPUS, threads=0).bound_cpus
os.sched_setaffinity(worker.native_id, {max(CPUS)})
bound = watch(sleep, CPUS, threads=0).bound_cpus
done.set()
print(json.dumps([free, bound]))
"""


@pytest.mark.skipif(len(CPUS) < 2, reason="a thread can't be bound to a part of one CPU")
def test_bound_threads_are_seen_while_they_work() -> None:
    """A thread with a smaller mask than the process names its CPUs; with the process's own mask it names none."""
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], [max(CPUS)]]


@pytest.mark.parametrize(
    ("found", "slices"),
    [
        pytest.param([{0, 1, 2}], 1, id="all at once"),
        pytest.param([set(), {0}, {0}, {0, 1, 2}], 4, id="one after the other"),
        pytest.param([], UNBOUND_SLICES, id="none"),
        pytest.param([set(), {0}], 2 + STALE_SLICES, id="never the last"),
    ],
)
def test_watching_ends_once_every_thread_was_seen(found: list[set[int]], slices: int) -> None:
    """It goes on as long as CPUs turn up that hadn't been seen, and a while longer."""
    watcher, driven = thread_activity._Watcher(CPUS), 0

    def drive() -> None:
        nonlocal driven
        watcher.bound_cpus |= found[driven] if driven < len(found) else set()
        driven += 1

    watcher.await_cpus(3, drive)
    assert driven == slices


def test_other_cpus_than_the_masks_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the affinity calls name CPUs that `/proc` doesn't know, last CPUs are left out."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4000, 4001})
    assert watch(sleep, frozenset({4000, 4001}), threads=0).cpu_s == {}
