"""The processor's name, revision and instruction sets, as several architectures write them."""

from pathlib import Path

import cpuinfo
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.topology.hardware.cpuinfo import CpuPlace, brand, read_cpu_model, read_cpu_places
from autotp.topology.tree.tree import Tree
from tests.support.recorded_files import write

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t:    Intel(R) Xeon(R)   Platinum 8480+
stepping\t: 8
microcode\t: 0x2b000590
physical id\t: 0
core id\t\t: 3
flags\t\t: fpu sse4_2 avx avx2 FMA avx512f amx_tile lahf_lm

processor\t: 5
physical id\t: 1
core id\t\t: 7
model name\t: another
"""

SAPPHIRE_RAPIDS = """fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush dts acpi
mmx fxsr sse sse2 ss ht tm pbe syscall nx pdpe1gb rdtscp lm constant_tsc art
arch_perfmon pebs bts rep_good nopl xtopology nonstop_tsc cpuid aperfmperf pni pclmulqdq
dtes64 monitor ds_cpl vmx smx est tm2 ssse3 sdbg fma cx16 xtpr pdcm pcid dca sse4_1
sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave avx f16c rdrand lahf_lm abm
3dnowprefetch fsgsbase bmi1 hle avx2 smep bmi2 erms invpcid rtm cqm rdt_a avx512f
avx512dq rdseed adx smap avx512ifma clflushopt clwb intel_pt avx512cd sha_ni avx512bw
avx512vl xsaveopt xsavec xgetbv1 xsaves split_lock_detect avx_vnni avx512_bf16 wbnoinvd
dtherm ida arat pln pts hwp avx512vbmi umip pku ospke waitpkg avx512_vbmi2 gfni vaes
vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq la57 rdpid bus_lock_detect
cldemote movdiri movdir64b enqcmd fsrm avx512_vp2intersect md_clear serialize tsxldtrk
pconfig arch_lbr ibt amx_bf16 avx512_fp16 amx_tile amx_int8 flush_l1d arch_capabilities""".replace("\n", " ")
KNIGHTS_MILL = " avx512pf avx512er avx512_4vnniw avx512_4fmaps"

ARM64 = """processor\t: 0
BogoMIPS\t: 2000.00
Features\t: fp asimd evtstrm fphp asimdhp asimddp sve i8mm bf16
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40
CPU revision\t: 1
"""


def _tree(root: Path, text: str) -> Tree:
    return Tree(write(root, {"proc/cpuinfo": text}))


def test_an_x86_processor_is_described(tmp_path: Path) -> None:
    """The first record counts; blanks are squeezed; of the flags only instruction sets stay, sorted."""
    model = read_cpu_model(_tree(tmp_path, X86))
    assert model.name == "Intel(R) Xeon(R) Platinum 8480+"
    assert (model.vendor, model.family, model.model) == ("GenuineIntel", "6", "143")
    assert (model.stepping, model.microcode) == ("8", "0x2b000590")
    assert model.isa == ("amx_tile", "avx", "avx2", "avx512f", "fma", "sse4_2")


def test_every_family_of_avx512_and_amx_is_told(tmp_path: Path) -> None:
    """None of the flags that Linux gives a Xeon of the fourth generation or a Xeon Phi is left out."""
    wide = [flag for flag in (SAPPHIRE_RAPIDS + KNIGHTS_MILL).split() if flag.startswith(("avx", "amx"))]
    found = read_cpu_model(_tree(tmp_path, f"processor : 0\nflags : {SAPPHIRE_RAPIDS} {KNIGHTS_MILL}\n")).isa
    assert set(found) == {*wide, "sse4_2", "fma", "f16c"}


def test_memory_encryption_is_no_instruction_set(tmp_path: Path) -> None:
    """`sme` is a matrix extension on arm64, but among the flags of x86 it is AMD's memory encryption."""
    assert read_cpu_model(_tree(tmp_path, "processor : 0\nflags : avx2 sme sev\n")).isa == ("avx2",)
    assert read_cpu_model(_tree(tmp_path, "processor : 0\nFeatures : asimd sme\n")).isa == ("asimd", "sme")


def test_an_arm64_processor_is_described(tmp_path: Path) -> None:
    """arm64 names its features and part, and has no model name."""
    model = read_cpu_model(_tree(tmp_path, ARM64))
    assert (model.name, model.vendor, model.model) == (None, "0x41", "0xd40")
    assert model.isa == ("asimd", "asimddp", "asimdhp", "bf16", "fphp", "i8mm", "sve")


def test_places_are_read_for_each_record(tmp_path: Path) -> None:
    """Package and core ids come with the CPU of their record."""
    places = read_cpu_places(_tree(tmp_path, X86))
    assert places == {0: CpuPlace(package=0, core=3), 5: CpuPlace(package=1, core=7)}


def test_a_missing_file_means_nothing_is_known(tmp_path: Path) -> None:
    """Without /proc/cpuinfo there is no name, no instruction set and no place."""
    tree = Tree(write(tmp_path, {}))
    assert read_cpu_model(tree).isa == ()
    assert read_cpu_places(tree) == {}


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever the file holds, the processor is described or unknown."""
    root = write(tmp_path_factory.mktemp("root"), {})
    (root / "proc/cpuinfo").write_bytes(b"processor : 1\n" + data)
    assert 1 in read_cpu_places(Tree(root))
    assert read_cpu_model(Tree(root)).isa == ()


def _show_as_live(monkeypatch: pytest.MonkeyPatch, root: Path, text: str) -> None:
    """Have `text` read as the running machine's /proc/cpuinfo."""
    path = write(root, {"proc/cpuinfo": text}) / "proc/cpuinfo"
    monkeypatch.setattr("autotp.topology.hardware.cpuinfo.CPUINFO", str(path).lstrip("/"))


def test_the_machines_own_files_name_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /proc/cpuinfo has a name, it is the brand, and py-cpuinfo isn't asked."""
    _show_as_live(monkeypatch, tmp_path, X86)
    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: pytest.fail("asked"))
    assert brand() == "Intel(R) Xeon(R) Platinum 8480+"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"brand_raw": "Neoverse-N1"}, "Neoverse-N1"),
        ({"brand_raw": "N1\n \x1b"}, "N1 ?"),
        ({}, None),
        (None, None),
    ],
)
def test_py_cpuinfo_names_what_the_files_do_not(
    answer: dict[str, str] | None, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """arm64 has no name there. The brand is decoration: whatever py-cpuinfo raises, there is merely none."""
    _show_as_live(monkeypatch, tmp_path, ARM64)
    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: 1 / 0 if answer is None else answer)
    assert brand() == expected


@pytest.mark.parametrize(("recorded", "expected"), [("Xeon Gold", "Xeon Gold"), (None, None)])
def test_a_recording_has_the_brand_that_was_recorded(
    recorded: str | None, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked for the brand of another machine, and its model's name is no brand that was recorded."""
    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: pytest.fail("asked"))
    files = {"proc/cpuinfo": X86} | ({} if recorded is None else {"autotp/brand": recorded})
    assert brand(write(tmp_path, files)) == expected
