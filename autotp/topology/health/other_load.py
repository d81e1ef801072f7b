"""Checks for others that use the processor: other processes, and other guests of a virtual machine's host.

Sources: Documentation/accounting/psi.rst and Documentation/filesystems/proc.rst (loadavg, stat) in the kernel's
tree. Steal is the time in which a virtual CPU could have run but the host ran something else.
"""

import re
import time

from autotp.topology.hardware.cpuinfo import read_cpu_model
from autotp.topology.health.advice import Advice, Inspection, StealSample
from autotp.topology.tree.ticks import Ticks, read_ticks, ticks_of
from autotp.topology.tree.tree import Tree

# Advice is given if processes waited for a CPU in 1 % of the last 10 s, or if a tenth of the CPUs were busy in the
# last minute.
_PRESSURE = 1.0
_LOAD_SHARE = 0.1
_LEAST_LOAD = 0.5

_AT_BOOT = Ticks(total=0, idle=0, steal=0)

_WAITING = re.compile(r"^some avg10=([0-9]{1,3}(?:\.[0-9]{1,9})?) ", re.ASCII | re.MULTILINE)
_LOAD = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ", re.ASCII)


def other_load(inspection: Inspection) -> Advice | None:
    """Advise if other work has just run, or an own run has just ended."""
    load, waiting = _first(inspection, "proc/loadavg", _LOAD), _first(inspection, "proc/pressure/cpu", _WAITING)
    cpus = inspection.topology.machine.logical_cpus
    seen = []
    if load is not None and load >= max(_LEAST_LOAD, _LOAD_SHARE * cpus):
        seen.append(f"a load of {load:g} on {cpus} CPUs in the last minute")
    if waiting is not None and waiting >= _PRESSURE:
        seen.append(f"processes waiting for a CPU in {waiting:g} % of the last 10 s")
    if not seen:
        return None
    return Advice(
        id="other_load",
        seen=" and ".join(seen),
        why="other processes take CPU time, caches and memory bandwidth from some blocks and not from others",
        do="stop them (top lists them) or wait until they end; your own last run still counts for a minute",
    )


def _first(inspection: Inspection, path: str, pattern: re.Pattern[str]) -> float | None:
    found = pattern.search(inspection.tree.text(path) or "")
    return float(found[1]) if found else None


def virtual_machine(inspection: Inspection) -> Advice | None:
    """Advise about a virtual machine, recognised by the processor's flags or by stolen time."""
    since_boot = _stolen(
        inspection, {}, inspection.steal_sample.ticks if inspection.steal_sample else read_ticks(inspection.tree)
    )
    lately, watched_s = (
        _finish(inspection, inspection.steal_sample)
        if inspection.steal_sample and inspection.steal_sample.ticks
        else (None, 0.0)
    )
    is_guest = read_cpu_model(inspection.tree).hypervisor
    if not is_guest and not since_boot and not lately:
        return None
    shares = [] if since_boot is None else [f"{100 * since_boot:.2f} % since boot"]
    shares += [] if lately is None else [f"{100 * lately:.1f} % in the last {watched_s:.2g} s"]
    return Advice(
        id="virtual_machine",
        seen="a virtual machine; of the CPU time (steal) its host took "
        f"{' and '.join(shares) or 'an unknown share'}",
        why="the host may run other guests on the same cores, and one stolen core stalls all threads of a config",
        do="use dedicated or pinned CPUs, or measure when the host is quiet; only the host can change it",
    )


def begin_steal_sample(tree: Tree, least_s: float) -> StealSample:
    """Start a sample on the live machine; the rest can be read until it ends."""
    return StealSample(ticks=read_ticks(tree), began_s=time.monotonic(), least_s=least_s)


def _finish(inspection: Inspection, steal_sample: StealSample) -> tuple[float | None, float]:
    """Wait until the sample has lasted long enough; return the stolen share, and how many seconds it took."""
    if (left_s := steal_sample.began_s + steal_sample.least_s - time.monotonic()) > 0:
        time.sleep(left_s)
    after = read_ticks(inspection.tree)
    return _stolen(inspection, steal_sample.ticks, after), time.monotonic() - steal_sample.began_s


def _stolen(inspection: Inspection, before: dict[int, Ticks], after: dict[int, Ticks]) -> float | None:
    """Return the stolen share of the allowed CPUs' time between two readings; None if no CPU's is known."""
    stolen = total = 0
    allowed = [cpu.id for cpu in inspection.allowed]
    ended, began = ticks_of(allowed, after), ticks_of(allowed, before)
    for cpu in allowed:
        now, then = ended.get(cpu, _AT_BOOT), began.get(cpu, _AT_BOOT)
        if now.steal is not None and then.steal is not None:
            stolen += max(0, now.steal - then.steal)
            total += max(0, now.total - then.total)
    return min(1.0, stolen / total) if total else None
