"""Observes what the threads of this process do while a model runs, from the kernel's accounts of each thread.

What OpenVINO reports can't prove a split, but what its threads do can. While inferences run, a watcher thread
reads of every other thread the CPU mask (a thread is bound while it works in a TBB arena, and not in between), the
CPU time, and the CPU it was last on (`/proc/self/task/*/schedstat` and field 39 of `stat`: proc_pid_stat(5),
Documentation/scheduler/sched-stats.rst).

The calling thread shows most. Without sub-streams it runs the graph itself, and goes to sleep (getrusage(2),
`ru_nvcsw`) at most 0.08 times per inference. With sub-streams it hands each inference over and sleeps until it is
done: 0.9 to 8 times. That was measured on real and on pretended CPUs, idle and with a load of 10 on two, for 1 to
    24
layers of 16 to 2048 rows. (The share of time asleep separates less well: 0 to 9 % without, 18 to 100 % with.)
"""

import os
import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread, get_native_id
from time import perf_counter_ns

from autotp.measuring.protocol import ThreadActivity
from autotp.topology.tree.cpulist import parse_cpulist

SLICE_S = 0.1
UNBOUND_SLICES = 5  # slices without a bound thread, after which none is expected
STALE_SLICES = 15  # slices without a newly bound CPU: on busy CPUs, a thread may wait that long
SAMPLE_EVERY_S = 0.002
BUSY_SHARE = 0.01  # of the time: OpenVINO's idle threads took up to 0.3 %
_TASKS = Path("/proc/self/task")
_LAST_CPU_FIELD = 36  # field 39 of stat, counted from the state, which follows the name in brackets


def watch(drive: Callable[[float], int], process_cpus: frozenset[int], threads: int) -> ThreadActivity:
    """Run `drive` for at least 0.2 s and return what the threads did meanwhile.

    Args:
        drive: runs inferences one after the other in this thread, for the given number of seconds; returns how
            many it ran.
        process_cpus: the mask of the process; a thread with a smaller one is bound.
        threads: how many bound CPUs to wait for.
    """
    before = _sleeps()
    inferences = drive(SLICE_S)  # without the watcher: the caller would also sleep when the watcher holds the GIL
    sleeps = (_sleeps() - before) / inferences
    watcher, began_ns = _Watcher(process_cpus), perf_counter_ns()
    watcher.start()
    try:
        watcher.await_cpus(threads, lambda: drive(SLICE_S))
    finally:
        watcher.stop()
    busy_ns = BUSY_SHARE * (perf_counter_ns() - began_ns)
    return ThreadActivity(
        tasks=watcher.tasks,
        busy_threads=sum(ns >= busy_ns for ns in watcher.thread_ns.values()),
        caller_sleeps=sleeps,
        bound_cpus=tuple(sorted(watcher.bound_cpus)),
        cpu_s={cpu: ns / 1e9 for cpu, ns in sorted(watcher.cpu_ns.items())} if watcher.proc_is_real else {},
    )


class _Watcher:
    """Samples every thread of the process but its own. The thread that creates it is the caller."""

    def __init__(self, process_cpus: frozenset[int]) -> None:
        self.tasks = 0
        self.bound_cpus: set[int] = set()
        self.thread_ns: Counter[int] = Counter()
        self.cpu_ns: Counter[int] = Counter()  # without the caller, which may be waiting
        self.proc_is_real = _proc_shows_real_cpus()
        self._process_cpus = process_cpus
        self._seen_ns: dict[int, int] = {}
        self._caller = get_native_id()
        self._done = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Note the CPU time of every thread so far, then sample until `stop`."""
        for tid in _tids():
            if (usage := _usage(tid)) is not None:
                self._seen_ns[tid] = usage[0]
        self._thread.start()

    def await_cpus(self, count: int, drive: Callable[[], object]) -> None:
        """Drive until `count` bound CPUs have been seen, or no further one is expected."""
        stale = 0
        while stale < (STALE_SLICES if self.bound_cpus else UNBOUND_SLICES):
            known = len(self.bound_cpus)
            drive()
            if len(self.bound_cpus) >= count:
                return
            stale = 0 if len(self.bound_cpus) > known else stale + 1

    def stop(self) -> None:
        """Stop sampling, after a last sample."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        own, last = get_native_id(), False
        while not last:
            last = self._done.wait(SAMPLE_EVERY_S)
            tids = [tid for tid in _tids() if tid != own]
            self.tasks = len(tids)
            for tid in tids:
                self._sample(tid)

    def _sample(self, tid: int) -> None:
        try:
            mask = os.sched_getaffinity(tid)
        except OSError:
            return  # the thread has ended
        if mask < self._process_cpus or len(mask) == 1:
            self.bound_cpus |= mask
        if (usage := _usage(tid)) is None:
            return
        used_ns, cpu = usage
        spent_ns = used_ns - self._seen_ns.get(tid, 0)
        self._seen_ns[tid] = used_ns
        self.thread_ns[tid] += spent_ns
        if spent_ns and tid != self._caller:
            self.cpu_ns[cpu] += spent_ns


def _tids() -> list[int]:
    return [int(name) for name in os.listdir(_TASKS)]  # noqa: PTH208


def _usage(tid: int) -> tuple[int, int] | None:
    """Return a thread's CPU time in nanoseconds and its last CPU; None if it has ended or they can't be read."""
    try:
        on_cpu_ns = int((_TASKS / str(tid) / "schedstat").read_text().split()[0])
        stat = (_TASKS / str(tid) / "stat").read_text()
    except OSError:
        return None
    return on_cpu_ns, int(stat[stat.rindex(")") + 2 :].split()[_LAST_CPU_FIELD])


def _sleeps() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def _proc_shows_real_cpus() -> bool:
    """Whether `/proc` and the affinity calls show the same CPUs; in a sandbox they may not."""
    for line in Path("/proc/thread-self/status").read_text().splitlines():
        if line.startswith("Cpus_allowed_list:"):
            return set(parse_cpulist(line.split(":", 1)[1].strip())) == os.sched_getaffinity(0)
    return False
