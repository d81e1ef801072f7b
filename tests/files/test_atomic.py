"""Files appear whole or not at all."""

import os
from pathlib import Path

import pytest

from autotp.errors import InputError
from autotp.files.atomic import writable_folder, write_atomically


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_name_that_no_folder_can_have_is_bad_input(tmp_path: Path) -> None:
    """A name that is too long or holds a NUL: one sentence, and nothing is made."""
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(InputError, match="Can't write into folder"):
            writable_folder(tmp_path / name)
    assert names(tmp_path) == []


def test_a_write_replaces_the_whole_file(tmp_path: Path) -> None:
    """The old content is gone, the new is there as UTF-8, readable by all, and nothing else is left over."""
    path = tmp_path / "tuned.yaml"
    path.write_text("old and longer than what is new\n")
    write_atomically(path, "é: 漢\n")
    assert path.read_bytes() == "é: 漢\n".encode()
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["tuned.yaml"]


def test_a_reader_keeps_the_old_file(tmp_path: Path) -> None:
    """Who opened the file before the write still reads all of the old content."""
    path = tmp_path / "tuned.yaml"
    path.write_text("old")
    with path.open() as before:
        write_atomically(path, "new")
        assert (before.read(), path.read_text()) == ("old", "new")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """Text that can't be encoded fails before the rename: the old content stays and no draft is left."""
    path = tmp_path / "tuned.yaml"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert (path.read_text(), names(tmp_path)) == ("old", ["tuned.yaml"])


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A missing folder, and a folder of the file's name, are one sentence each; nothing is left over."""
    with pytest.raises(InputError, match=r"Can't write .*absent/tuned\.yaml: No such file or directory\."):
        write_atomically(tmp_path / "absent" / "tuned.yaml", "text")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"Can't write .*folder: Is a directory"):
        write_atomically(tmp_path / "folder", "text")
    assert names(tmp_path) == ["folder"]


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    """A missing folder is created, an existing one is fine, and neither holds anything afterwards."""
    folder = tmp_path / "a" / "b"
    assert writable_folder(folder) == folder
    assert writable_folder(folder) == folder
    assert names(folder) == []


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    """A file in the place of the folder or of one of its parents is bad input."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"Can't write into folder .*file"):
            writable_folder(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    """A folder that this user may not write into is bad input."""
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        writable_folder(tmp_path)


def test_a_read_only_file_system_is_refused() -> None:
    """A place where nobody can make a folder, such as /proc, is bad input."""
    with pytest.raises(InputError, match="Can't write into folder /proc/autotp"):
        writable_folder(Path("/proc/autotp"))
