"""The processor's name, revision and instruction sets, as several architectures write them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotp.topology.cpuinfo import CpuPlace, brand, read_cpu_model, read_cpu_places
from autotp.topology.tree import Tree
from tests.test_topology_tree import write

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


def test_py_cpuinfo_failing_is_an_unknown_brand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The brand is decoration: whatever py-cpuinfo raises, there is merely none."""
    import cpuinfo

    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: 1 / 0)
    assert brand() is None
    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: {"brand_raw": "Xeon"})
    assert brand() == "Xeon"
