"""What lscpu (util-linux) and lstopo (hwloc) find in the same tree, in the notation of `tests.support.facts`.

Both can read a tree of another machine, and neither shares code with our probe. `INEXPRESSIBLE` is the one place
that says what they can't report of which machines; all else is compared.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.support.described import Described
from tests.support.facts import X86, CacheId, CpuSet, Facts, by_key
from tests.support.machines import COMMON_FLAGS
from tests.support.parts import KindsBy, Maker, Part

_CACHE_NAME = re.compile(r"L([0-9])([di]?)")
_CACHE_LETTERS = {"": "unified", "d": "data", "i": "instruction"}
_CACHE_KINDS = {"0": "unified", "1": "data", "2": "instruction"}
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Silence:
    """Facts that a tool doesn't report of machines that `applies` is true for; all its facts if none are named."""

    tool: str
    facts: tuple[str, ...]
    applies: Callable[[Described], bool]
    reason: str


def _always(machine: Described) -> bool:
    return True


def _lacks(part: Part) -> Callable[[Described], bool]:
    return lambda machine: part in machine.missing


def _has_no_package_ids(machine: Described) -> bool:
    return -1 in machine.package_ids


def _has_kinds(machine: Described) -> bool:
    return machine.efficient_cores > 0


def _is_not_x86(machine: Described) -> bool:
    return machine.maker not in X86


INEXPRESSIBLE = (
    Silence("probe", ("package_ids", "node_sockets"), _has_no_package_ids, "it makes up the ids that are -1"),
    Silence(
        "lscpu", ("counts", "node_sockets"), _always, "they follow from its groups of CPUs, which are compared"
    ),
    Silence(
        "lstopo", ("counts", "node_sockets"), _always, "they follow from its groups of CPUs, which are compared"
    ),
    Silence("lscpu", ("distances", "memory_bytes"), _always, "it reads neither"),
    Silence("lscpu", ("package_ids",), _always, "it counts sockets from 0"),
    Silence("lscpu", ("efficient",), _always, "it distinguishes CPUs by /proc/cpuinfo alone"),
    Silence("lscpu", ("cores", "sockets"), _lacks(Part.TOPOLOGY), "without sibling masks its columns are empty"),
    Silence("lscpu", ("nodes", "node_cpus"), _lacks(Part.NODE), "it makes up no node 0"),
    Silence("lscpu", ("cache_bytes",), _has_kinds, "it has one size for all caches of a level and kind"),
    Silence("lscpu", ("model_name", "isa"), _is_not_x86, "it has words of its own for other architectures"),
    Silence(
        "lscpu",
        ("cores", "sockets", "caches", "cache_bytes"),
        lambda machine: machine.maker is Maker.RISCV,
        "it lists no CPU whose record in /proc/cpuinfo has no field that it knows",
    ),
    Silence("lstopo", (), _lacks(Part.TOPOLOGY), "it refuses a tree without topology folders"),
    Silence("lstopo", ("isa",), _always, "it doesn't read flags"),
    Silence("lstopo", ("nodes_without_cpus",), _always, "it gives them the CPUs of the nearest node"),
    Silence("lstopo", ("distances",), lambda machine: machine.numa_nodes == 1, "it has none of a single node"),
    Silence("lstopo", ("distances", "memory_bytes"), _lacks(Part.NODE), "it gives all memory to a node 0"),
    Silence(
        "lstopo",
        ("efficient",),
        lambda machine: _has_kinds(machine) and machine.kinds_by is not KindsBy.CAPACITY,
        "it doesn't compare caches and, before 2.10, doesn't read perf units",
    ),
)


def silence(tool: str, fact: str, machine: Described) -> str | None:
    """Why a tool can't report a fact of a machine; None if it can."""
    return next(
        (
            rule.reason
            for rule in INEXPRESSIBLE
            if rule.tool == tool and (not rule.facts or fact in rule.facts) and rule.applies(machine)
        ),
        None,
    )


def disagreements(tool: str, machine: Described, wanted: Facts, found: Facts) -> dict[str, tuple[object, object]]:
    """By fact: what is wanted and what the tool found instead, of all that it can report."""
    known = {fact: value for fact, value in wanted.items() if silence(tool, fact, machine) is None}
    return {fact: (value, found.get(fact)) for fact, value in known.items() if not agrees(value, found.get(fact))}


def agrees(wanted: object, found: object) -> bool:
    """Whether a tool found what is wanted; it may make statements of more ids."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.items() <= found.items()
    return wanted == found


def unavailable(tool: str) -> str | None:
    """Why a tool can't be asked here."""
    return None if shutil.which(tool) else f"{tool} is not installed"


def lscpu_facts(root: Path) -> Facts:
    """Facts by `lscpu -s`: CPUs are in its columns, nodes in its summary."""
    rows = _lscpu_columns(root)
    summary = json.loads(_run("lscpu", "-s", str(root), "-J", "-B"))["lscpu"]
    fields = {row["field"]: row["data"] for row in summary}
    nodes, caches = dict(_lscpu_nodes(fields)), dict(_lscpu_caches(fields, rows))
    return {
        "cpus": _ids(fields["On-line CPU(s) list:"]),
        "cores": _by_column(rows, "Core"),
        "sockets": _by_column(rows, "Socket"),
        "nodes": frozenset(nodes),
        "node_cpus": nodes,
        "nodes_without_cpus": frozenset(node for node, cpus in nodes.items() if not cpus),
        "caches": frozenset(caches),
        "cache_bytes": caches,
        "isa": frozenset((fields.get("Flags:") or "").split()) - COMMON_FLAGS,
        "model_name": fields.get("Model name:"),
    }


def _run(*argv: str) -> str:
    env = os.environ | {"LC_ALL": "C"}
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S, env=env).stdout


def _lscpu_columns(root: Path) -> list[dict[str, str]]:
    # Not as JSON: an empty cell makes that invalid.
    lines = _run("lscpu", "-s", str(root), "-p=CPU,CORE,SOCKET,CACHE").splitlines()
    names = next(line for line in reversed(lines) if line.startswith("#")).removeprefix("# ").split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines if not line.startswith("#")]
    return [row for row in rows if row["CPU"]]


def _by_column(rows: list[dict[str, str]], column: str) -> frozenset[CpuSet]:
    return frozenset(by_key((row[column], int(row["CPU"])) for row in rows).values())


def _lscpu_nodes(fields: dict[str, str]) -> Iterator[tuple[int, CpuSet]]:
    for name, cpus in fields.items():
        if name.startswith("NUMA node") and name.endswith(" CPU(s):"):
            yield int(name.removeprefix("NUMA node").split()[0]), _ids(cpus or "")


def _ids(text: str) -> CpuSet:
    ranges = (item.partition("-") for item in text.split(",") if item)
    return frozenset(cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1))


def _lscpu_caches(fields: dict[str, str], rows: list[dict[str, str]]) -> Iterator[tuple[CacheId, int]]:
    for name in rows[0] if rows else ():
        if match := _CACHE_NAME.fullmatch(name):
            total, instances = fields[f"{name} cache:"].removesuffix(")").split(" (")
            size_bytes = int(total) // int(instances.split()[0])
            for cpus in _by_column(rows, name):
                yield (int(match[1]), _CACHE_LETTERS[match[2]], cpus), size_bytes


def lstopo_facts(root: Path) -> Facts:
    """Facts by lstopo's XML, whose objects and attributes are those of hwloc's API."""
    argv = ("lstopo", "--input", str(root), "--input-format", "fsroot", "--no-io", "--disallowed", "--of", "xml")
    top = ElementTree.fromstring(_run(*argv))
    packages, nodes = list(_objects(top, "Package")), list(_objects(top, "NUMANode"))
    caches = dict(_lstopo_cache(found) for found in top.iter("object") if "cache_size" in found.attrib)
    return {
        "cpus": frozenset(map(_id, _objects(top, "PU"))),
        "cores": frozenset(map(_cpuset, _objects(top, "Core"))),
        "sockets": frozenset(map(_cpuset, packages)),
        "package_ids": {_id(found): _cpuset(found) for found in packages},
        "nodes": frozenset(map(_id, nodes)),
        "node_cpus": {_id(found): _cpuset(found) for found in nodes},
        "memory_bytes": {_id(found): int(found.get("local_memory", 0)) for found in nodes},
        "distances": _lstopo_distances(top),
        "caches": frozenset(caches),
        "cache_bytes": caches,
        "efficient": _lstopo_efficient(top),
        "model_name": next(
            (info.get("value") for info in top.iter("info") if info.get("name") == "CPUModel"), None
        ),
    }


def _objects(top: ElementTree.Element, kind: str) -> Iterator[ElementTree.Element]:
    return (found for found in top.iter("object") if found.get("type") == kind)


def _id(found: ElementTree.Element) -> int:
    return int(found.get("os_index", -1))


def _cpuset(found: ElementTree.Element) -> CpuSet:
    """The CPUs of a mask such as `0x1,,0x0000ffff`: words of 32, the highest first, empty for none."""
    bits = 0
    for word in found.attrib["cpuset"].split(","):
        bits = bits << 32 | int(word or "0", 16)
    return frozenset(cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1)


def _lstopo_cache(found: ElementTree.Element) -> tuple[CacheId, int]:
    kind = _CACHE_KINDS[found.attrib["cache_type"]]
    return (int(found.attrib["depth"]), kind, _cpuset(found)), int(found.attrib["cache_size"])


def _lstopo_distances(top: ElementTree.Element) -> dict[int, tuple[int, ...]]:
    for found in top.iter("distances2"):
        if found.get("name") == "NUMALatency":
            nodes, values = (_numbers(found, part) for part in ("indexes", "u64values"))
            starts = range(0, len(values), len(nodes))
            return {node: values[start : start + len(nodes)] for node, start in zip(nodes, starts, strict=True)}
    return {}


def _numbers(found: ElementTree.Element, part: str) -> tuple[int, ...]:
    return tuple(int(word) for lines in found.iter(part) for word in (lines.text or "").split())


def _lstopo_efficient(top: ElementTree.Element) -> CpuSet:
    """CPUs of the kind that hwloc calls Atom or, by capacity, of all kinds but the one of the highest."""
    kinds = [
        ({info.get("name"): info.get("value") for info in kind.iter("info")}, _cpuset(kind))
        for kind in top.iter("cpukind")
    ]
    capacities = [int(infos.get("LinuxCapacity") or 0) for infos, _ in kinds]
    slower = [
        cpus
        for (infos, cpus), capacity in zip(kinds, capacities, strict=True)
        if infos.get("CoreType") == "IntelAtom" or capacity < max(capacities)
    ]
    return frozenset[int]().union(*slower)
