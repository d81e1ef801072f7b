"""Who else uses the processor: other processes, and other guests of a virtual machine's host.

Sources: Documentation/accounting/psi.rst and Documentation/filesystems/proc.rst (loadavg, stat) in the kernel's
tree. Steal is the time in which a virtual CPU could have run but the host ran something else.
"""

import re
import time

from autotp.topology.hardware.cpuinfo import read_cpu_model
from autotp.topology.health.advice import Advice, Scene, Watch
from autotp.topology.tree.ticks import Ticks, read_ticks
from autotp.topology.tree.tree import Tree

# A process that waited for a CPU 1 % of the last ten seconds, or a tenth of the CPUs busy in the last minute.
_PRESSURE = 1.0
_LOAD_SHARE = 0.1
_LEAST_LOAD = 0.5

_AT_BOOT = Ticks(total=0, idle=0, steal=0)

_WAITING = re.compile(r"^some avg10=([0-9]{1,3}(?:\.[0-9]{1,9})?) ", re.ASCII | re.MULTILINE)
_LOAD = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ", re.ASCII)


def other_load(scene: Scene) -> Advice | None:
    """Work of others, or of oneself a moment ago."""
    load, waiting = _first(scene, "proc/loadavg", _LOAD), _first(scene, "proc/pressure/cpu", _WAITING)
    cpus = scene.topology.machine.logical_cpus
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
        why="others take CPU time, caches and memory bandwidth from some blocks and not from others",
        do="stop it (top shows it) or wait until it is done; your own last run still counts for a minute",
    )


def _first(scene: Scene, path: str, pattern: re.Pattern[str]) -> float | None:
    found = pattern.search(scene.tree.text(path) or "")
    return float(found[1]) if found else None


def virtual_machine(scene: Scene) -> Advice | None:
    """A guest: known by the processor's flags, or by time that was stolen."""
    since_boot = _stolen(scene, {}, scene.watch.ticks if scene.watch else read_ticks(scene.tree))
    lately, watched_s = _watch(scene, scene.watch) if scene.watch and scene.watch.ticks else (None, 0.0)
    is_guest = read_cpu_model(scene.tree).hypervisor
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


def begin_watch(tree: Tree, least_s: float) -> Watch:
    """Look at the CPUs of the live machine, before whatever else there is to do."""
    return Watch(ticks=read_ticks(tree), began_s=time.monotonic(), least_s=least_s)


def _watch(scene: Scene, watch: Watch) -> tuple[float | None, float]:
    """Wait for what is left of the watch; return the share that was stolen meanwhile, and its seconds."""
    if (left_s := watch.began_s + watch.least_s - time.monotonic()) > 0:
        time.sleep(left_s)
    after = read_ticks(scene.tree)
    return _stolen(scene, watch.ticks, after), time.monotonic() - watch.began_s


def _stolen(scene: Scene, before: dict[int, Ticks], after: dict[int, Ticks]) -> float | None:
    """The stolen part of the allowed CPUs' time between two looks; None where no CPU's is known."""
    stolen = total = 0
    for cpu in scene.allowed:
        now = after.get(cpu.id, _AT_BOOT)
        then = before.get(cpu.id, _AT_BOOT)
        if now.steal is not None and then.steal is not None:
            stolen += max(0, now.steal - then.steal)
            total += max(0, now.total - then.total)
    return min(1.0, stolen / total) if total else None
