"""What the threads of this process do while a model runs, from the kernel's account of each of them.

OpenVINO's own word can't prove a split, its threads can. While a block runs, a thread beside it reads of every
other thread the CPU mask (a thread of a TBB arena is bound as long as it works in it, and free again in
between), its CPU time and the CPU it was last on (`/proc/self/task/*/schedstat` and field 39 of `stat`:
proc_pid_stat(5), Documentation/scheduler/sched-stats.rst).

The calling thread tells most. Without sub-streams it runs the graph itself: of its own will it gave up its CPU
(getrusage(2), `ru_nvcsw`) up to 0.08 times an inference. With sub-streams it hands each inference over and sleeps
until it's done: 0.9 to 8 times. So measured on real and on pretended CPUs, idle and with a load of 10 on two, for
1 to 24 layers of 16 to 2048 rows. (The share of time asleep tells less: 0 to 9 % without, 18 to 100 % with.)
"""

import os
import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread, get_native_id
from time import perf_counter_ns

from autotp.measuring.protocol import ThreadActivity
from autotp.topology import parse_cpulist

SLICE_S = 0.1
UNBOUND_SLICES = 5  # without one bound thread, after which there will be none
STALE_SLICES = 15  # without a bound CPU that hadn't been seen: where CPUs are crowded, a thread may wait so long
SAMPLE_EVERY_S = 0.002
BUSY_SHARE = 0.01  # of the block: OpenVINO's own idle threads took up to 0.3 %
_TASKS = Path("/proc/self/task")
_LAST_CPU_FIELD = 36  # field 39 of stat, counted from the state, which follows the name in brackets


def watch(drive: Callable[[float], int], process_cpus: frozenset[int], threads: int) -> ThreadActivity:
    """Run `drive` for a fifth of a second or more and return what the threads did meanwhile.

    Args:
        drive: runs inferences, one after the other and from this thread, for as many seconds as it is given, and
            returns how many they were.
        process_cpus: the mask of the process; a thread with a smaller one is bound.
        threads: bound CPUs to see, after which there is nothing more to learn.
    """
    before = _sleeps()
    inferences = drive(SLICE_S)  # unwatched: the watcher may hold Python's lock, for which the caller sleeps
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
    """Samples every thread of the process but its own; the caller is the thread that makes it."""

    def __init__(self, process_cpus: frozenset[int]) -> None:
        self.tasks = 0
        self.bound_cpus: set[int] = set()
        self.thread_ns: Counter[int] = Counter()
        self.cpu_ns: Counter[int] = Counter()  # without the caller, which may only wait
        self.proc_is_real = _proc_shows_real_cpus()
        self._process_cpus = process_cpus
        self._seen_ns: dict[int, int] = {}
        self._caller = get_native_id()
        self._done = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Note what every thread has used so far, then sample until `stop`."""
        for tid in _tids():
            if (usage := _usage(tid)) is not None:
                self._seen_ns[tid] = usage[0]
        self._thread.start()

    def await_cpus(self, count: int, drive: Callable[[], object]) -> None:
        """Drive again and again until `count` bound CPUs have been seen, or there is little hope for more."""
        stale = 0
        while stale < (STALE_SLICES if self.bound_cpus else UNBOUND_SLICES):
            known = len(self.bound_cpus)
            drive()
            if len(self.bound_cpus) >= count:
                return
            stale = 0 if len(self.bound_cpus) > known else stale + 1

    def stop(self) -> None:
        """End the sampling, with a last sample."""
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
            return  # it has ended since
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
    """Return the nanoseconds that a thread was on a CPU, and its last CPU; None where the kernel doesn't say."""
    try:
        on_cpu_ns = int((_TASKS / str(tid) / "schedstat").read_text().split()[0])
        stat = (_TASKS / str(tid) / "stat").read_text()
    except OSError:
        return None
    return on_cpu_ns, int(stat[stat.rindex(")") + 2 :].split()[_LAST_CPU_FIELD])


def _sleeps() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def _proc_shows_real_cpus() -> bool:
    """Whether `/proc` and the affinity calls mean the same CPUs: not in a sandbox that pretends others."""
    for line in Path("/proc/thread-self/status").read_text().splitlines():
        if line.startswith("Cpus_allowed_list:"):
            return set(parse_cpulist(line.split(":", 1)[1].strip())) == os.sched_getaffinity(0)
    return False
