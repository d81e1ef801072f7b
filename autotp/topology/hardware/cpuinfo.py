"""Reads /proc/cpuinfo: the processor's name and instruction sets, and its CPUs' places if sysfs lacks them.

Field names are those of the kernel's `arch/*/kernel/cpu/proc.c` (x86) and `arch/arm64/kernel/cpuinfo.c`; the
aliases of other architectures are the ones that hwloc's `hwloc_linux_parse_cpuinfo` knows.
"""

from pathlib import Path

import msgspec

from autotp.topology.tree.tree import Tree, printable

CPUINFO = "proc/cpuinfo"

# Only the first CPU's record is needed to name the processor. For the whole file the kernel samples the CPUs'
# frequencies, which takes up to some milliseconds for each.
HEAD_BYTES = 16 * 1024

# For each fact of the processor the fields that may hold it; the first one that is there counts.
MODEL_FIELDS = {
    "name": ("model name", "Model Name", "cpu model", "Processor", "cpu"),
    "vendor": ("vendor_id", "CPU implementer"),
    "family": ("cpu family", "CPU architecture"),
    "model": ("model", "CPU part"),
    "stepping": ("stepping", "CPU revision"),
    "microcode": ("microcode",),
    "flags": ("flags", "Features"),
}
PLACE_FIELDS = ("processor", "physical id", "core id")

# The file of a recording that holds the processor's brand.
BRAND = "autotp/brand"

# The flags by which OpenVINO's CPU plugin, oneDNN and the Arm Compute Library choose kernels. The list is fixed:
# a newer Linux that reports one more flag must not change a machine's fingerprint.
# fmt: off
X86_ISA = frozenset({
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx_vnni_int8", "avx_ne_convert", "avx_ifma",
    "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512er", "avx512ifma", "avx512pf", "avx512vl", "avx512vbmi",
    "avx512_4fmaps", "avx512_4vnniw", "avx512_bf16", "avx512_bitalg", "avx512_fp16", "avx512_vbmi2", "avx512_vnni",
    "avx512_vp2intersect", "avx512_vpopcntdq", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16", "amx_complex",
})
# A separate list, because on x86 the flag `sme` means AMD's memory encryption.
ARM_ISA = frozenset({
    "asimd", "asimdhp", "asimddp", "asimdfhm", "fphp", "bf16", "i8mm", "sve", "sve2", "svebf16", "svei8mm",
    "sme", "sme2",
})
# fmt: on


class CpuModel(msgspec.Struct, frozen=True, kw_only=True):
    """The processor as the first record describes it; None for facts that the record lacks.

    `hypervisor` is True on a virtual machine; only x86 reports it.
    """

    name: str | None
    vendor: str | None
    family: str | None
    model: str | None
    stepping: str | None
    microcode: str | None
    isa: tuple[str, ...]
    hypervisor: bool


class CpuPlace(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of a CPU's package and core; None for an id that its record lacks."""

    package: int | None
    core: int | None


def read_cpu_model(tree: Tree) -> CpuModel:
    """Return the processor's name, revision and instruction sets."""
    fields: dict[str, str] = {}
    for name, value in _fields(tree.head(CPUINFO, HEAD_BYTES) or ""):
        fields.setdefault(name, value)
    known = {
        fact: next((fields[name] for name in names if fields.get(name)), None)
        for fact, names in MODEL_FIELDS.items()
    }
    flags = (known["flags"] or "").lower().split()
    return CpuModel(
        name=known["name"],
        vendor=known["vendor"],
        family=known["family"],
        model=known["model"],
        stepping=known["stepping"],
        microcode=known["microcode"],
        isa=tuple(sorted((X86_ISA if fields.get("flags") else ARM_ISA).intersection(flags))),
        hypervisor="hypervisor" in flags,
    )


def read_cpu_places(tree: Tree) -> dict[int, CpuPlace]:
    """Return the place of each CPU that has a record, by id; sysfs, where it has the facts, is more reliable."""
    records: dict[int, dict[str, int | None]] = {}
    record: dict[str, int | None] = {}
    for name, value in _fields(tree.text(CPUINFO) or ""):
        number = _small_number(value)
        if name == "processor" and number is not None:
            record = records.setdefault(number, {})
        elif name in ("physical id", "core id"):
            record[name] = number
    return {
        cpu: CpuPlace(package=found.get("physical id"), core=found.get("core id"))
        for cpu, found in records.items()
    }


def _fields(text: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in text.splitlines())
    return [(name.strip(), printable(value)) for name, colon, value in pairs if colon]


def _small_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def brand(root: Path | None = None) -> str | None:
    """Return the processor's brand on the live machine, or the one recorded in `root`; None if it isn't known.

    If the machine's own files don't name the processor, as on arm64, py-cpuinfo is used, which takes a second.
    """
    tree = Tree(root)
    if tree.recorded:
        return printable(tree.text(BRAND) or "") or None
    return read_cpu_model(tree).name or _brand_of_py_cpuinfo()


def _brand_of_py_cpuinfo() -> str | None:
    import cpuinfo  # slow, as it starts subprocesses: imported only when needed

    try:
        name = cpuinfo.get_cpu_info().get("brand_raw")
    except Exception:  # it parses the output of many tools; a missing brand is no reason to fail
        return None
    return (printable(name) if isinstance(name, str) else "") or None
