"""Which CPUs are online: those that the machine's files list, unless this process may run on others.

The kernel runs no process on an offline CPU, and sched_getaffinity(2) returns online CPUs only. So if the mask of
the process holds a CPU that isn't listed, the files count the CPUs in another way: with its option --enable-cfs,
LXCFS numbers those of a container from 0 in /sys/devices/system/cpu/online and /proc/stat
(`sys_devices_system_cpu_online_read` in its src/sysfs_fuse.c), while masks, cpusets and the folders `cpuN` keep
the kernel's numbers. Then the CPUs of the mask are all that is known of the machine.
"""

import re

from autotp.topology.envelope.cpuset import read_mask
from autotp.topology.hardware.cpuinfo import read_cpu_places
from autotp.topology.tree.cpulist import MAX_ID, parse_cpulist
from autotp.topology.tree.ticks import read_ticks
from autotp.topology.tree.tree import Tree

CPU_FOLDER = "sys/devices/system/cpu"
ONLINE = f"{CPU_FOLDER}/online"

_CPU_NAME = re.compile(r"cpu[0-9]{1,5}", re.ASCII)


def read_online(tree: Tree) -> tuple[tuple[int, ...], bool]:
    """Return the online CPUs by id, and whether the machine's files list these.

    Raises:
        TopologyError: there are none.
    """
    listed, mask = listed_cpus(tree), read_mask(tree)
    if mask and _is_about_others(tree, listed, mask):
        return mask, False
    if not listed:
        raise tree.error(ONLINE, "neither this nor proc/cpuinfo or proc/stat names a CPU")
    return listed, True


def listed_cpus(tree: Tree) -> tuple[int, ...]:
    """Return the CPUs that the machine's files list as online."""
    folders = (int(name.removeprefix("cpu")) for name in tree.names(CPU_FOLDER, _CPU_NAME))
    online = (
        tree.parse(ONLINE, parse_cpulist)
        # A CPU that can't be taken offline, mostly cpu0, has no such file.
        or [cpu for cpu in folders if cpu <= MAX_ID and tree.number(f"{CPU_FOLDER}/cpu{cpu}/online") != 0]
        or [cpu for cpu in read_cpu_places(tree) if cpu <= MAX_ID]
        or [cpu for cpu in read_ticks(tree) if cpu <= MAX_ID]
    )
    return tuple(sorted(online))


def _is_about_others(tree: Tree, listed: tuple[int, ...], mask: tuple[int, ...]) -> bool:
    """Return whether `listed` can't hold the CPUs of `mask`, the process's."""
    outside = set(mask).difference(listed)
    if not outside or not listed:
        return False
    return not tree.recorded or outside == set(mask) or any(_runs(tree, cpu) for cpu in outside)


def _runs(tree: Tree, cpu: int) -> bool:
    """Return whether a recorded CPU was online: the mask of a recording may name offline ones, too."""
    return tree.number(f"{CPU_FOLDER}/cpu{cpu}/topology/core_id") is not None  # gone while a CPU is offline
