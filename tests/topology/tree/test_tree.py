"""Reading recorded trees that may be damaged or hostile, and the live one."""

import errno
import os
import re
from pathlib import Path

import pytest

from autotp.errors import TopologyError
from autotp.topology.tree.cpulist import parse_cpulist
from autotp.topology.tree.tree import Tree
from tests.support.recorded_files import write


def test_a_root_must_be_a_folder(tmp_path: Path) -> None:
    """A missing folder, a file, and a folder of something else are refused by name."""
    (tmp_path / "file").touch()
    for name in ("missing", "file", "."):
        with pytest.raises(TopologyError, match=str(tmp_path)):
            Tree(tmp_path / name)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_root_that_cannot_be_looked_at_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A folder of somebody else's, or on a broken disk, is refused with the reason."""

    def fails(*_: object, **__: object) -> os.stat_result:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "stat", fails)
    with pytest.raises(TopologyError, match=f"{tmp_path} can't be read: {os.strerror(number)}"):
        Tree(tmp_path)


def test_a_root_of_any_name_is_named_on_one_line(tmp_path: Path) -> None:
    """Names that are too long or hold line breaks are no reason for another kind of error."""
    with pytest.raises(TopologyError, match="File name too long"):
        Tree(tmp_path / ("x" * 5000))
    for root in (tmp_path / "a\nb", tmp_path):
        with pytest.raises(TopologyError) as caught:
            Tree(root)
        assert str(caught.value).isprintable()
    with pytest.raises(TopologyError) as caught:
        Tree(write(tmp_path / "a\nb", {"proc/n": "x"})).number("proc/n")
    assert str(caught.value).isprintable()


def test_absent_and_blank_files_are_unknown(tmp_path: Path) -> None:
    """A file that isn't there, is blank, or lies below a file has no text."""
    tree = Tree(write(tmp_path, {"proc/blank": "\n\0\n", "proc/file": "1"}))
    assert [tree.text(f"proc/{name}") for name in ("missing", "blank", "file/below", "a\0b")] == [None] * 4


@pytest.mark.parametrize("text", ["x", "1_0", "1.5", "0-1", "\udcff", "9" * 30])
def test_what_is_not_a_number_names_its_file(tmp_path: Path, text: str) -> None:
    """A number that can't be understood is an error with the file's path."""
    root = write(tmp_path, {})
    (root / "proc/n").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(TopologyError, match=r"proc/n: .*not a number"):
        Tree(root).number("proc/n")


def test_a_list_that_would_fill_memory_is_refused(tmp_path: Path) -> None:
    """`0-4000000000` is an error that names the file."""
    tree = Tree(write(tmp_path, {"sys/online": "0-4000000000\n"}))
    with pytest.raises(TopologyError, match=r"sys/online: .*4000000000"):
        tree.parse("sys/online", parse_cpulist)


def test_links_that_lead_out_of_a_recording_are_absent(tmp_path: Path) -> None:
    """Neither a linked file nor a file in a linked folder shows what lies outside of the root."""
    root = write(tmp_path / "root", {"proc/inside": "1"})
    write(tmp_path / "outside", {"secret": "2"})
    (root / "proc/file").symlink_to(tmp_path / "outside/secret")
    (root / "proc/folder").symlink_to("../../outside")
    (root / "proc/good").symlink_to("inside")
    tree = Tree(root)
    assert tree.text("proc/good") == "1"
    assert tree.text("proc/file") is None
    assert tree.text("proc/folder/secret") is None
    assert tree.names("proc/folder", re.compile(".*")) == ()


def test_a_root_reached_by_a_link_works(tmp_path: Path) -> None:
    """The root itself may be a link."""
    write(tmp_path / "root", {"proc/n": "7"})
    (tmp_path / "link").symlink_to("root")
    assert Tree(tmp_path / "link").number("proc/n") == 7


def test_loops_and_folders_in_place_of_files_are_named(tmp_path: Path) -> None:
    """A recording with a loop of links or a folder where a file belongs is refused by the file's name."""
    root = write(tmp_path, {"proc/folder/x": ""})
    (root / "proc/loop").symlink_to("loop")
    for name in ("loop", "folder"):
        with pytest.raises(TopologyError, match=f"proc/{name}"):
            Tree(root).text(f"proc/{name}")


def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    """A pipe nobody writes to is as good as a blank file."""
    root = write(tmp_path, {})
    os.mkfifo(root / "proc/pipe")
    assert Tree(root).text("proc/pipe") is None


def test_a_file_of_impossible_size_is_refused(tmp_path: Path) -> None:
    """No file of the kernel's is as long, so the text is not even decoded."""
    root = write(tmp_path, {"proc/long": ""})
    os.truncate(root / "proc/long", 2**40)
    with pytest.raises(TopologyError, match="proc/long: it is larger"):
        Tree(root).text("proc/long")


def test_unreadable_files_are_errors_in_recordings_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a live process may not read it doesn't know; a recording must be whole."""
    monkeypatch.setattr(os, "open", _denied)
    assert Tree(None).text("proc/cpuinfo") is None
    with pytest.raises(TopologyError, match="proc/cpuinfo: Permission denied"):
        Tree(write(tmp_path, {"proc/cpuinfo": "x"})).text("proc/cpuinfo")


def _denied(*_: object) -> int:
    raise PermissionError(13, "Permission denied")
