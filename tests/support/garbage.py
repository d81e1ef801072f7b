"""Damage for a recorded tree: what truncated copies, other tools and hostile hands leave in a file's place.

`damaged` puts things at paths of a tree for as long as a test needs them, so that one tree serves many examples.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

OUTSIDE = "/proc/cpuinfo"
_SPARSE_BYTES = 100_000_000


def _blank(path: Path) -> None:
    path.write_bytes(b" \n\0\n")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(_SPARSE_BYTES)


def _loop_of_two(path: Path) -> None:
    other = path.with_name(f"{path.name}.other")
    with suppress(FileExistsError):
        other.symlink_to(path.name)
    path.symlink_to(other.name)


# Things that hold no fact, so that nothing may be concluded from them. A reader that is root may read any file,
# so a folder stands for what can't be read.
NOTHING: dict[str, Callable[[Path], None]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.touch(),
    "blank": _blank,
    "unreadable": lambda path: path.touch(mode=0),
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "loop": lambda path: path.symlink_to(path.name),
    "loop of two": _loop_of_two,
    "loop through the folder": lambda path: path.symlink_to("."),
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link out to a file": lambda path: path.symlink_to(OUTSIDE),
    "link out to a folder": lambda path: path.symlink_to("/sys/devices/system/cpu"),
    "link out to a device": lambda path: path.symlink_to("/dev/zero"),
    "sparse": _sparse,
}

# Texts that a kernel never writes, or not there.
TEXTS = (
    b"-",
    b",",
    b"0-",
    b"-0",
    b"0-4000000000",
    b"0-16384",
    b"3-0",
    b"0,,1",
    b"0x0",
    b"+1",
    b"1_0",
    b"1e3",
    b"max",
    b"max max",
    b"inf",
    b"nan 1",
    b"0 0",
    b"-1",
    b"18446744073709551616",
    b"9" * 5000,
    b"ffffffff," * 600,
    b"1,00000000,",
    b"\0\xff\xfe\x80",
    "٣".encode(),
    b"\x1b[31mred\x07\r\n",
    b"processor : 4000000000\nphysical id : -1\ncore id : x\nflags : \xff\n",
    b"MemTotal: -1 kB",
    b"0::/../..\n1:cpu:/a\0b\n",
    b"1 0 0:1 / / rw - cgroup2 cgroup2 rw\n",
    b"\n" * 100_000,
)


@contextmanager
def damaged(root: Path, damage: Mapping[str, Callable[[Path], None]]) -> Iterator[None]:
    """Put each thing at its path below `root`, which holds no link itself, in place of what is there."""
    with ExitStack() as undo:
        for name, place in damage.items():
            undo.enter_context(_replaced(root / name, place))
        yield


@contextmanager
def _replaced(path: Path, place: Callable[[Path], None]) -> Iterator[None]:
    absent = [folder for folder in path.parents if not os.path.lexists(folder)]
    first = absent[-1].parent if absent else path.parent
    # Other damage may have put something else there, and beyond a link may lie the running machine.
    if os.path.realpath(first) != str(first) or not first.is_dir():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.with_name(f"{path.name}.kept")
    there = os.path.lexists(path)
    if there:
        path.rename(kept)
    place(path)
    try:
        yield
    finally:
        _remove(path)
        path.with_name(f"{path.name}.other").unlink(missing_ok=True)
        if there:
            kept.rename(path)
        for folder in absent:
            folder.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def looked_at(root: Path, read: Callable[[Path], object]) -> set[str]:
    """Every path below `root` that `read(root)` looks at, whether there is anything or not."""
    seen: set[str] = set()
    with ExitStack() as stack:
        for name in ("lstat", "open"):
            stack.enter_context(patch.object(os, name, _noting(getattr(os, name), f"{root}/", seen)))
        read(root)
    return seen


def _noting(call: Callable[..., object], start: str, seen: set[str]) -> Callable[..., object]:
    def noting(path: str, *args: object, **options: object) -> object:
        if str(path).startswith(start):
            seen.add(str(path).removeprefix(start))
        return call(path, *args, **options)

    return noting
