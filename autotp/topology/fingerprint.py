"""The facts that make a tuned result valid: hard ones must be the same, soft ones only warn.

Hard facts are those that change which settings exist or which of them is best, told without anything that a
reboot changes: no CPU ids (a scheduler hands out others each time), no frequencies, no exact memory size (the
kernel keeps a little more or less of it). Two envelopes of the same shape on the same kind of machine agree.
"""

import hashlib
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from autotp.topology.envelope.envelope import Envelope
from autotp.topology.hardware.cpuinfo import CpuModel
from autotp.topology.hardware.machine import CoreKind, Machine
from autotp.topology.tree.tree import Tree, printable

# In a recording of `autotp probe --record`: the version that was installed there.
OPENVINO = "autotp/openvino"

_VERSION = re.compile(r"^Version: *(\S+)", re.MULTILINE)
_ID_DIGITS = 16
_QUOTA_DIGITS = 3


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the first 16 hex digits of the SHA-256 of the canonical JSON of `hard`."""

    id: str
    hard: dict[str, object]
    soft: dict[str, object]


def fingerprint(
    machine: Machine,
    envelope: Envelope,
    *,
    memory_class_bytes: int | None,
    soft: dict[str, object],
) -> Fingerprint:
    """The fingerprint of this part of this machine."""
    hard = _hard(machine, envelope, memory_class_bytes)
    canonical = msgspec.json.encode(hard, order="sorted")
    return Fingerprint(id=hashlib.sha256(canonical).hexdigest()[:_ID_DIGITS], hard=hard, soft=soft)


def _hard(machine: Machine, envelope: Envelope, memory_class_bytes: int | None) -> dict[str, object]:
    within = frozenset(envelope.cpus)
    allowed = [cpu for cpu in machine.cpus if cpu.id in within]
    quota = envelope.cpu_quota
    return {
        "sockets": machine.sockets,
        "numa_nodes": machine.numa_nodes,
        "smt": machine.smt,
        "cores_allowed": len({cpu.core for cpu in allowed}),
        "efficient_cores_allowed": len({cpu.core for cpu in allowed if cpu.kind is CoreKind.EFFICIENT}),
        "cpus_allowed": len(envelope.cpus),
        "cpus_allowed_by_socket": _spread(cpu.socket for cpu in allowed),
        "cpus_allowed_by_node": _spread(cpu.node for cpu in allowed),
        "isa": list(machine.isa),
        "cpu_quota": None if quota is None else round(quota, _QUOTA_DIGITS),
        "memory_class_bytes": memory_class_bytes,
    }


def _spread(places: Iterable[int]) -> list[int]:
    """How many CPUs are in each place, the fullest first: which place it is doesn't matter."""
    return sorted(Counter(places).values(), reverse=True)


def memory_class(total_bytes: int | None, limit_bytes: int | None) -> int | None:
    """The power of two nearest to the memory that may be used.

    Nearest, because sizes of memory and of limits are mostly just below or at a power of two: the borders
    between classes are then far away, where the few per cent that a kernel keeps don't reach.
    """
    usable = min((size for size in (total_bytes, limit_bytes) if size is not None), default=None)
    return 2 ** round(math.log2(usable)) if usable else None


def read_soft(tree: Tree, model: CpuModel) -> dict[str, object]:
    """Facts that may shift a result a little: a difference is told, but refuses nothing."""
    return {
        "cpu_model": model.name,
        "cpu_vendor": model.vendor,
        "cpu_family": model.family,
        "cpu_model_number": model.model,
        "cpu_stepping": model.stepping,
        "microcode": model.microcode,
        "kernel": _kernel(tree),
        "openvino": printable(tree.text(OPENVINO) or "") or None if tree.recorded else openvino_version(),
    }


def _kernel(tree: Tree) -> str | None:
    words = printable(tree.text("proc/version") or "").split()
    release = printable(tree.text("proc/sys/kernel/osrelease") or "")
    return release or (words[2] if words[:2] == ["Linux", "version"] and words[2:] else None)


def openvino_version() -> str | None:
    """The version that is installed here: the first on `sys.path`, without importing it; None where there is none.

    It is read where installers write it. `importlib.metadata` knows other places, too, but takes longer to import
    than a probe takes: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    for folder in sys.path:
        for file in Path(folder).glob("openvino-*.dist-info/METADATA"):
            if found := _VERSION.search(file.read_text(errors="replace")):
                return found[1]
    from importlib import metadata

    try:
        return metadata.version("openvino")
    except metadata.PackageNotFoundError:
        return None
