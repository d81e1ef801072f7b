"""How each CPU spent its time since boot: lines `cpuN` of /proc/stat (Documentation/filesystems/proc.rst, 1.7).

Offline CPUs have no line, and container runtimes such as LXCFS hide the CPUs of others.
"""

import re

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


def _ticks(columns: str) -> Ticks:
    numbers = [int(word) for word in columns.split() if len(word) <= 20][:_COLUMNS]
    return Ticks(
        total=sum(numbers),
        idle=sum(numbers[_IDLE]),
        steal=numbers[-1] if len(numbers) == _COLUMNS else None,
    )
