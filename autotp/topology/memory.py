"""How much memory the machine and each node have: Documentation/filesystems/proc.rst on meminfo."""

import re

from autotp.topology.tree import Tree

_TOTAL = re.compile(r"^(?:Node [0-9]{1,5} +)?MemTotal:[ \t]+([0-9]{1,15}) kB$", re.ASCII | re.MULTILINE)


def read_total_bytes(tree: Tree, path: str) -> int | None:
    """MemTotal of /proc/meminfo or of a node's meminfo; None where it isn't said."""
    found = _TOTAL.search(tree.text(path) or "")
    return int(found[1]) * 1024 if found else None
