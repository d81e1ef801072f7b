"""Reads `/proc` and `/sys`, of the live machine or recorded below a folder as for `lscpu -s DIR`.

A recorded tree is untrusted data. A link that leads out of it counts as absent, because it would show the running
machine's files; pipes and devices can't block; and sizes are bounded. A file that exists but can't be read or
parsed is an error that names it, because a guess would describe another machine. On the live machine, a file that
we have no permission to read counts as absent.

Every file read and every folder listed is remembered, so that a recording can hold exactly those.
"""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from autotp.errors import TopologyError

T = TypeVar("T")

# /proc/cpuinfo, the longest file read, has about 1.6 kB for each CPU.
_MAX_BYTES = 32 * 1024 * 1024
_CHUNK = 64 * 1024
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)


def parse_integer(text: str) -> int:
    """Return a decimal integer as the kernel writes it; ValueError for anything else, such as `1_0`."""
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f"{text[:40]!r} is not a number")
    return int(text)


def printable(text: str) -> str:
    """Return `text` on one line, safe for a terminal and for JSON: `?` replaces unprintable characters."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(char if char.isprintable() else "?" for char in line)


class Tree:
    """The files below `root`, or the live machine's if it is None. Paths have no leading slash.

    `texts` holds the text of each file read so far (the longest part that was read), by path; `listed` the names
    found in each folder.
    """

    def __init__(self, root: Path | None) -> None:
        self.recorded = root is not None
        self.texts: dict[str, str] = {}
        self.listed: dict[str, tuple[str, ...]] = {}
        self._root = os.path.realpath(root) if root is not None else ""
        self._visible: dict[str, bool] = {self._root: True}
        if root is not None:
            _check_root(root)

    def text(self, path: str) -> str | None:
        """Return the stripped text of a file; None if it is absent or blank."""
        return self._read(path, _MAX_BYTES + 1)

    def head(self, path: str, size: int) -> str | None:
        """Return only about the first `size` bytes of a text: some files take time for each CPU they list."""
        return self._read(path, size)

    def parse(self, path: str, parser: Callable[[str], T]) -> T | None:
        """Return the text as `parser` reads it; None if there is none, TopologyError for its ValueError."""
        text = self.text(path)
        if text is None:
            return None
        try:
            return parser(text)
        except ValueError as problem:
            raise self.error(path, str(problem)) from None

    def number(self, path: str) -> int | None:
        """Return the integer that a file holds; None and errors as for `parse`."""
        return self.parse(path, parse_integer)

    def names(self, folder: str, wanted: re.Pattern[str]) -> tuple[str, ...]:
        """Return the sorted names in a folder that match `wanted` in full; none if the folder is absent."""
        absolute = f"{self._root}/{folder}"
        if not self._is_visible(absolute):
            return ()
        try:
            found = tuple(sorted(path.name for path in Path(absolute).iterdir() if wanted.fullmatch(path.name)))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as problem:
            self._refuse_if_recorded(folder, problem)
            return ()
        self.listed[folder] = found
        return found

    def folders(self, folder: str) -> tuple[str, ...]:
        """Return the names of the folders in a folder of the live machine, unsorted; `listed` doesn't get them."""
        try:
            with os.scandir(f"{self._root}/{folder}") as entries:
                return tuple(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            return ()

    def error(self, path: str, problem: str) -> TopologyError:
        """Return an error that names a file of this tree and its problem."""
        shown = printable(f"{self._root}/{path}: {problem}")
        hint = "record it again" if self.recorded else "please report it with the file's content"
        return TopologyError(f"{shown}; {hint}")

    def _read(self, path: str, size: int) -> str | None:
        absolute = f"{self._root}/{path}"
        if "\0" in path or not self._is_visible(absolute):
            return None
        try:
            data = _read_bytes(absolute, size)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as problem:
            self._refuse_if_recorded(path, problem)
            return None
        if len(data) > _MAX_BYTES:
            raise self.error(path, f"it is larger than {_MAX_BYTES} bytes")
        text = data.decode(errors="surrogateescape").strip(" \t\r\n\0")
        if len(text) > len(self.texts.get(path, "")):
            self.texts[path] = text
        return text or None

    def _refuse_if_recorded(self, path: str, problem: OSError) -> None:
        if self.recorded:
            raise self.error(path, problem.strerror or str(problem)) from None

    def _is_visible(self, absolute: str) -> bool:
        """Return whether a path may be read; in a recording it must exist and no link on the way may lead out."""
        if not self.recorded:
            return True
        folder = absolute.rpartition("/")[0]
        if folder not in self._visible:
            self._visible[folder] = self._is_visible(folder)
        if not self._visible[folder]:
            return False
        try:
            is_link = stat.S_ISLNK(os.lstat(absolute).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # reading it will raise the error with its reason
        return not is_link or f"{os.path.realpath(absolute)}/".startswith(f"{self._root.rstrip('/')}/")


def _check_root(root: Path) -> None:
    shown = printable(str(root))
    try:
        is_folder = stat.S_ISDIR(root.stat().st_mode)
        holds_any = is_folder and any((root / name).is_dir() for name in ("proc", "sys"))
    except (FileNotFoundError, NotADirectoryError):
        is_folder = holds_any = False
    except OSError as problem:
        raise TopologyError(f"{shown} can't be read: {problem.strerror}; give a folder that can") from None
    if not is_folder:
        raise TopologyError(f"{shown} is not a folder; give the folder that holds the recorded proc and sys")
    if not holds_any:
        raise TopologyError(f"{shown} holds neither proc nor sys; give the folder that holds them")


def _read_bytes(absolute: str, size: int) -> bytes:
    # Without O_NONBLOCK a named pipe in a damaged recording would wait for its writer for ever.
    handle = os.open(absolute, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        chunks, left = [], size
        while left > 0 and (chunk := os.read(handle, min(left, _CHUNK))):
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)
    finally:
        os.close(handle)
