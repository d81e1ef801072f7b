"""The facts of a machine and envelope that a tuned result depends on: hard ones must match, soft ones only warn.

Hard facts are those that change which settings exist or which of them is best. They leave out what may change with
a reboot: CPU ids (a scheduler hands out others each time), frequencies, and the exact memory size (the kernel
reserves a little more or less of it). Two envelopes of the same shape on the same kind of machine have the same.
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

# The file of a recording that holds the version of OpenVINO on the recorded machine.
OPENVINO = "autotp/openvino"

_VERSION = re.compile(r"^Version: *(\S+)", re.MULTILINE)
_ID_DIGITS = 16
_QUOTA_DIGITS = 3


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """What identifies a kind of machine and the shape of an envelope on it.

    `id` is the first 16 hex digits of the SHA-256 of the canonical JSON of `hard`.
    """

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
    """Return the fingerprint of `envelope` on `machine`."""
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
    """Return the number of CPUs in each place, largest first, so that the ids of places don't matter."""
    return sorted(Counter(places).values(), reverse=True)


def memory_class(total_bytes: int | None, limit_bytes: int | None) -> int | None:
    """Return the power of two nearest to the memory that may be used, in bytes.

    Sizes of memory and of limits are mostly at or just below a power of two. The border between two classes is far
    from there, so the few per cent that a kernel reserves don't change the class.
    """
    usable = min((size for size in (total_bytes, limit_bytes) if size is not None), default=None)
    return 2 ** round(math.log2(usable)) if usable else None


def read_soft(tree: Tree, model: CpuModel) -> dict[str, object]:
    """Return the facts that may shift a result a little: a difference causes a warning, never a refusal."""
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
    """Return the version of OpenVINO that is first on `sys.path`, without importing it; None if there is none.

    It is read from the METADATA file that installers write
    (https://packaging.python.org/en/latest/specifications/recording-installed-packages/). `importlib.metadata`,
    which takes longer to import than a probe takes, is used only where there is no such file.
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
