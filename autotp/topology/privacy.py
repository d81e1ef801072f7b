"""Removes private data from recordings: keeps only lines that autotp reads, and replaces private names.

An allowlist decides what is kept, so a new field of a newer kernel (a serial number, a builder's host name) is
left out. Names of control groups and mount points may hold container ids, users and jobs. Each is replaced by a
stand-in, the same one wherever it occurs, so that the hierarchy is preserved.
"""

import re
from collections.abc import Callable

from autotp.topology.envelope.cgroup import CONTROLLERS, MEMBERS, UNIFIED, Mount, read_places
from autotp.topology.envelope.cpuset import ALLOWED_FIELD, STATUS
from autotp.topology.hardware.cpuinfo import CPUINFO, HEAD_BYTES, MODEL_FIELDS, PLACE_FIELDS
from autotp.topology.tree.tree import Tree, printable

# Names of the kernel's folders, and of groups that every systemd or container runtime has.
# fmt: off
_PUBLIC = frozenset({
    "proc", "self", "pressure", "sys", "dev", "kernel", "mm", "transparent_hugepage", "devices", "system",
    "cpu", "node", "topology", "cache", "cpufreq", "thermal_throttle", "intel_pstate", "cpu_core", "cpu_atom",
    "cpu_lowpower", "fs", "cgroup", "cpuset", "cpuacct", "memory", "unified", "systemd", "blkio", "freezer",
    "pids", "net_cls", "net_prio", "perf_event", "hugetlb", "rdma", "misc", "system.slice", "user.slice",
    "machine.slice", "init.scope", "docker", "podman", "lxc", "kubepods", "burstable", "besteffort",
    "kubepods.slice", "kubepods-burstable.slice", "kubepods-besteffort.slice",
})
# fmt: on
_NUMBERED_BELOW = "sys/devices/system/"  # elsewhere such names may be those of hosts and jobs
_NUMBERED = re.compile(r"(?:cpu|node|index)[0-9]{1,5}", re.ASCII)

# Numbers, lists, sizes and limits are kept in any file; words and masks, which can spell a name, only in some.
_PLAIN = r"[0-9,\s-]*[KMG]?|max[0-9 ]*"
_MASK = r"[0-9a-fA-F,]*"
_OTHER_GOVERNOR = "another"
_GOVERNOR = r"|performance|powersave|ondemand|conservative|schedutil|userspace|interactive"
_HUGE_PAGES = r"(?:\[?(?:always|madvise|never)\]? ?){1,3}"
_MASK_FILES = ("core_cpus", "thread_siblings", "package_cpus", "core_siblings", "shared_cpu_map", "cpumap")
_MODEL_FIELDS = {name for names in MODEL_FIELDS.values() for name in names}


def public_path(path: str, stand_ins: dict[str, str]) -> str:
    """Return `path` with names that may be private replaced by `stand_ins`, to which new names are added."""
    numbered = _NUMBERED if path.startswith(_NUMBERED_BELOW) else None
    return "/".join(_public_name(name, stand_ins, numbered) for name in path.split("/"))


def _public_name(name: str, stand_ins: dict[str, str], numbered: re.Pattern[str] | None) -> str:
    if name in ("", ".", "..") or _PUBLIC.issuperset(name.split(",")) or (numbered and numbered.fullmatch(name)):
        return name
    return stand_ins.setdefault(name, f"group-{len(stand_ins) + 1}")


def public_groups(tree: Tree, stand_ins: dict[str, str]) -> dict[str, str]:
    """Return files that describe this process's control groups, rewritten from what was parsed, by path."""
    found, mounts = read_places(tree, CONTROLLERS)
    groups = {name: path for name, path in found.items() if name in CONTROLLERS}
    lines = [
        f"{number}:{'' if name == UNIFIED else name}:{public_path(path, stand_ins)}"
        for number, (name, path) in enumerate(groups.items())
    ]
    table = [_mount_line(mount, stand_ins) for mount in mounts]
    return {"proc/self/cgroup": "\n".join(lines), "proc/self/mountinfo": "\n".join(table)}


def _mount_line(mount: Mount, stand_ins: dict[str, str]) -> str:
    root, point = public_path(mount.root, stand_ins), public_path(mount.point, stand_ins)
    kind = "cgroup2" if UNIFIED in mount.controllers else "cgroup"
    options = ",".join(["rw", *(name for name in CONTROLLERS[:-1] if name in mount.controllers)])
    return f"0 0 0:0 {root} {point} rw - {kind} none {options}"


def public_text(path: str, text: str) -> str:
    """Return the part of a file's text that may be recorded; empty if none."""
    keep = _KEEPERS.get(path) or _KEEPERS.get(path.rpartition("/")[2]) or _whole(_PLAIN)
    return keep(text)


def _whole(pattern: str, otherwise: str = "") -> Callable[[str], str]:
    wanted = re.compile(pattern, re.ASCII)
    return lambda text: text if wanted.fullmatch(text) else otherwise


def _lines(pattern: str) -> Callable[[str], str]:
    wanted = re.compile(pattern, re.ASCII)
    return lambda text: "\n".join(line for line in text.splitlines() if wanted.fullmatch(line))


def _head(pattern: str) -> Callable[[str], str]:
    wanted = re.compile(pattern, re.ASCII)
    return lambda text: match[0] if (match := wanted.match(text)) else ""


def _nothing(_: str) -> str:
    return ""


def _cpuinfo(text: str) -> str:
    """Keep the lines that name the processor, from the part that is read for them, and those that locate a CPU."""
    kept, seen_bytes = [], 0
    for line in text.splitlines():
        name = line.partition(":")[0].strip()
        if name in PLACE_FIELDS or (name in _MODEL_FIELDS and seen_bytes < HEAD_BYTES):
            kept.append(line)
        seen_bytes += len(line.encode(errors="surrogateescape")) + 1
    return "\n".join(kept)


_KEEPERS: dict[str, Callable[[str], str]] = {
    CPUINFO: _cpuinfo,
    STATUS: _lines(rf"{ALLOWED_FIELD}[0-9,\s-]*"),
    **dict.fromkeys(_MASK_FILES, _whole(_MASK)),
    "type": _whole("Data|Instruction|Unified", otherwise="Unknown"),
    "scaling_governor": _whole(_GOVERNOR, otherwise=_OTHER_GOVERNOR),
    "sys/kernel/mm/transparent_hugepage/enabled": _whole(_HUGE_PAGES),
    "meminfo": _lines(r"(?:Node [0-9]{1,5} +)?MemTotal:[ \t]+[0-9]+ kB"),
    "proc/stat": _lines(r"cpu[0-9]{1,5} [0-9 ]*"),
    "proc/version": _head(r"Linux version \S+"),
    "proc/sys/kernel/osrelease": printable,
    "proc/loadavg": _head(r"[0-9.]+ [0-9.]+ [0-9.]+ [0-9]+/[0-9]+"),
    "proc/pressure/cpu": _lines(r"(?:some|full)(?: [a-z0-9]+=[0-9.]+)+"),
    "cpu.stat": _lines(r"(?:nr_|throttled_)[a-z_]+ [0-9]+"),
    MEMBERS: _nothing,
    "proc/self/cgroup": _nothing,
    "proc/self/cpuset": _nothing,
    "proc/self/mountinfo": _nothing,
    "proc/self/mounts": _nothing,
    "proc/mounts": _nothing,
    "autotp/brand": _nothing,
    "autotp/openvino": _nothing,
}
