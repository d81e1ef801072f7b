"""How each CPU spent its time since boot: lines `cpuN` of /proc/stat (Documentation/filesystems/proc.rst, 1.7).

Offline CPUs have no line, and container runtimes such as LXCFS hide the CPUs of others. LXCFS also counts those of
the container from 0, in their order (`proc_stat_read` in its src/proc_fuse.c).
"""

import re
from collections.abc import Collection, Mapping

import msgspec

from autotp.topology.tree.tree import Tree

_LINE = re.compile(r"^cpu([0-9]{1,5}) ([0-9 ]*)$", re.ASCII | re.MULTILINE)

# user, nice, system, idle, iowait, irq, softirq, steal; the two guest columns are in user and nice already.
_COLUMNS = 8
_IDLE = slice(3, 5)  # idle and iowait


class Ticks(msgspec.Struct, frozen=True, kw_only=True):
    """The time of one CPU since boot, in the kernel's ticks: in total, idle, and stolen by the host of a guest.

    `idle` includes waiting for I/O. `steal` is None before Linux 2.6.11.
    """

    total: int
    idle: int
    steal: int | None


def read_ticks(tree: Tree) -> dict[int, Ticks]:
    """Return the ticks of each CPU that has a line, by CPU id."""
    return {int(cpu): _ticks(columns) for cpu, columns in _LINE.findall(tree.text("proc/stat") or "")}


def ticks_of(cpus: Collection[int], ticks: Mapping[int, Ticks]) -> dict[int, Ticks]:
    """Return those of `ticks` that are of `cpus`, by CPU id.

    As many lines as `cpus`, but with other ids, are the same CPUs renumbered.
    """
    wanted = set(cpus)
    if len(ticks) == len(wanted) and set(ticks) != wanted:
        return {cpu: ticks[line] for cpu, line in zip(sorted(wanted), sorted(ticks), strict=True)}
    return {cpu: found for cpu, found in ticks.items() if cpu in wanted}


def _ticks(columns: str) -> Ticks:
    numbers = [int(word) for word in columns.split() if len(word) <= 20][:_COLUMNS]
    return Ticks(
        total=sum(numbers),
        idle=sum(numbers[_IDLE]),
        steal=numbers[-1] if len(numbers) == _COLUMNS else None,
    )
