"""How much memory the machine and each node have, and how much more this process may allocate now.

Documentation/filesystems/proc.rst on meminfo; Documentation/admin-guide/cgroup-v2.rst (`memory.current`) and
cgroup-v1/memory.rst (`memory.usage_in_bytes`). A group's usage includes the page cache of files. The kernel
frees it before it kills a process, so its inactive part counts as available, as in MemAvailable.
"""

import re

from autotp.topology.envelope.envelope import memory_folders, memory_limit_bytes
from autotp.topology.tree.tree import Tree

_AVAILABLE = re.compile(r"^MemAvailable:[ \t]+([0-9]{1,15}) kB$", re.ASCII | re.MULTILINE)
_INACTIVE = re.compile(r"^(?:total_)?inactive_file ([0-9]{1,20})$", re.ASCII | re.MULTILINE)
_TOTAL = re.compile(r"^(?:Node [0-9]{1,5} +)?MemTotal:[ \t]+([0-9]{1,15}) kB$", re.ASCII | re.MULTILINE)


def read_total_bytes(tree: Tree, path: str) -> int | None:
    """Return MemTotal of /proc/meminfo or of a node's meminfo; None if it isn't there."""
    found = _TOTAL.search(tree.text(path) or "")
    return int(found[1]) * 1024 if found else None


def available_memory_bytes(tree: Tree | None = None) -> int | None:
    """Return the bytes that the machine and the limits of our groups leave; None if unknown."""
    tree = tree or Tree(None)
    found = _AVAILABLE.search(tree.text("proc/meminfo") or "")
    left = [_left_bytes(tree, folder) for folder in memory_folders(tree)]
    known = [size for size in left if size is not None] + ([int(found[1]) * 1024] if found else [])
    return min(known, default=None)


def _left_bytes(tree: Tree, folder: str) -> int | None:
    """Return the bytes that the group `folder` may still allocate; None if it has no limit."""
    limit = memory_limit_bytes(tree, folder)
    used = tree.number(f"{folder}/memory.current")
    if used is None:
        used = tree.number(f"{folder}/memory.usage_in_bytes")
    if limit is None or used is None:
        return None
    inactive = _INACTIVE.findall(tree.text(f"{folder}/memory.stat") or "")
    return max(0, limit - used + max(map(int, inactive), default=0))
