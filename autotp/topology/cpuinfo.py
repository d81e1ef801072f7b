"""/proc/cpuinfo: the processor's name and instruction sets, and where its CPUs are if sysfs doesn't say.

Field names are those of the kernel's `arch/*/kernel/cpu/proc.c` (x86) and `arch/arm64/kernel/cpuinfo.c`; the
aliases of other architectures are the ones that hwloc's `hwloc_linux_parse_cpuinfo` knows.
"""

import msgspec

from autotp.topology.tree import Tree

_PATH = "proc/cpuinfo"

# Only the first CPU's record is needed to name the processor. The whole file takes the kernel up to some
# milliseconds for each CPU, as it samples their frequencies.
_HEAD_BYTES = 16 * 1024

# What OpenVINO's CPU plugin, oneDNN and the Arm Compute Library choose kernels by. A fixed list, because a
# newer kernel that names one more flag must not make another machine of this one.
# fmt: off
ISA = frozenset({
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx_vnni_int8", "avx_ne_convert", "avx_ifma",
    "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512vbmi", "avx512_vbmi2", "avx512_vnni",
    "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16", "amx_complex",
    "asimd", "asimdhp", "asimddp", "asimdfhm", "fphp", "bf16", "i8mm", "sve", "sve2", "svebf16", "svei8mm",
    "sme", "sme2",
})
# fmt: on


class CpuModel(msgspec.Struct, frozen=True, kw_only=True):
    """The processor as its first record describes it; None where it doesn't say."""

    name: str | None
    vendor: str | None
    family: str | None
    model: str | None
    stepping: str | None
    microcode: str | None
    isa: tuple[str, ...]


class CpuPlace(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of the package and the core of a CPU; None where its record has none."""

    package: int | None
    core: int | None


def read_cpu_model(tree: Tree) -> CpuModel:
    """The processor's name, revision and instruction sets."""
    fields: dict[str, str] = {}
    for name, value in _fields(tree.head(_PATH, _HEAD_BYTES) or ""):
        fields.setdefault(name, value)

    def first(*names: str) -> str | None:
        return next((fields[name] for name in names if fields.get(name)), None)

    flags = (first("flags", "Features") or "").lower().split()
    return CpuModel(
        name=first("model name", "Model Name", "cpu model", "Processor", "cpu"),
        vendor=first("vendor_id", "CPU implementer"),
        family=first("cpu family", "CPU architecture"),
        model=first("model", "CPU part"),
        stepping=first("stepping", "CPU revision"),
        microcode=first("microcode"),
        isa=tuple(sorted(ISA.intersection(flags))),
    )


def read_cpu_places(tree: Tree) -> dict[int, CpuPlace]:
    """Each CPU that has a record, by id. Sysfs knows better wherever it has the same facts."""
    records: dict[int, dict[str, int | None]] = {}
    record: dict[str, int | None] = {}
    for name, value in _fields(tree.text(_PATH) or ""):
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
    return [(name.strip(), " ".join(value.split())) for name, colon, value in pairs if colon]


def _small_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def brand() -> str | None:
    """The live processor's brand as py-cpuinfo knows it; None where it doesn't. Takes about a second."""
    import cpuinfo  # starts subprocesses, and a deploy process must never pay for it

    try:
        name = cpuinfo.get_cpu_info().get("brand_raw")
    except Exception:  # it parses the output of many tools, and a brand is worth no failure
        return None
    return name if isinstance(name, str) and name else None
