"""One measurement at a time: a lock that all who measure on this machine take, so that none spoils another's.

It is flock(2) on one file that every user shares. The kernel frees it when its holder dies, however that happens,
and a wait for it is a sleep in the kernel. The file lies in /dev/shm, which is there in almost every container, is
never cleaned while the machine runs and is writable where the root file system isn't; else in /tmp. It is never
opened with O_CREAT once it exists: in a sticky folder the kernel refuses that to all but its owner
(fs.protected_regular, Documentation/admin-guide/sysctl/fs.rst). It is made under another name and linked to its
own once everyone may write it, so that a umask can't shut others out.

The lock belongs to a thread: one that holds it may take it again, another one waits as another process would.
A process that is forked meanwhile lets go of it at once, and one that is started never gets it.

A container has a /dev/shm of its own: `AUTOTP_LOCK` names another file, for a lock that several of them share.
Whoever may use the machine may hold the lock for ever; the same variable is the way out.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident

import msgspec

from autotp.errors import EnvironmentFailure
from autotp.options import spell

VARIABLE = "AUTOTP_LOCK"
FILES = (Path("/dev/shm/autotp.lock"), Path("/tmp/autotp.lock"))  # noqa: S108 (everyone's, on purpose)
EVERYONES = 0o666
_MOST_BYTES = 1024
_MOST_SHOWN = 100
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # no symlink, and no waiting for a FIFO's other end

_held: dict[int, int] = {}  # by thread, the open file


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock, as it says itself: anyone may write the file, so these are mere words."""

    pid: int | None = None
    command: str = ""
    since: str = ""

    def __str__(self) -> str:
        who = "another process" if self.pid is None else f"process {self.pid}"
        words = [_printable(word) for word in (self.command, self.since and f"since {self.since}") if word]
        return f"{who} ({', '.join(words)})" if words else who


@contextmanager
def machine_lock(command: str, no_wait: bool, waiting: Callable[[Holder], None]) -> Iterator[None]:
    """Hold the lock of this machine.

    Args:
        command: what others are told that it is held for.
        no_wait: whether to fail rather than to wait.
        waiting: is told who holds the lock, once, before a wait.

    Raises:
        EnvironmentFailure: it is held and `no_wait` is set, or its file can't be used.
    """
    thread = get_ident()
    if thread in _held:
        yield
        return
    file = _acquire(no_wait, waiting)
    _held[thread] = file
    try:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _write(file, Holder(pid=os.getpid(), command=command, since=now))
        yield
    finally:
        if _held.pop(thread, None) is not None:  # not so in a fork, which has let go
            _write(file, None)
            os.close(file)


def _acquire(no_wait: bool, waiting: Callable[[Holder], None]) -> int:
    while True:
        path, file = _open()
        try:
            _lock(path, file, no_wait, waiting)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.lstat()):
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # somebody has deleted it: others lock a new one


def _lock(path: Path, file: int, no_wait: bool, waiting: Callable[[Holder], None]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _read(file)
        if no_wait:
            raise EnvironmentFailure(
                f"{holder} measures on this machine. Wait for its end, or leave out {spell('no_wait')}."
            ) from None
        waiting(holder)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        raise _unusable(path, error.strerror) from error


def _open() -> tuple[Path, int]:
    """Open the lock's file, made where it isn't there yet."""
    own = os.environ.get(VARIABLE)
    for path in (Path(own),) if own else FILES:
        with suppress(FileNotFoundError):
            return path, _open_existing(path)
        with suppress(OSError):
            _make(path)
            return path, _open_existing(path)
    where = own or " and ".join(str(path.parent) for path in FILES)
    raise EnvironmentFailure(
        f"The lock that keeps two measurements on this machine apart can't be made in {where}: "
        f"set {VARIABLE} to a file that all who measure here may write."
    )


def _open_existing(path: Path) -> int:
    """Open `path`, to read alone where it is someone's who lets others do no more: that suffices for flock.

    Raises:
        FileNotFoundError: it isn't there.
        EnvironmentFailure: it can't be opened, or isn't a plain file.
    """
    try:
        try:
            file = os.open(path, os.O_RDWR | _FLAGS)
        except PermissionError:
            file = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(path, error.strerror) from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _unusable(path, "it isn't a plain file")
    return file


def _make(path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(handle, EVERYONES)
        with suppress(FileExistsError):  # another one was quicker
            os.link(name, path)
    finally:
        os.close(handle)
        Path(name).unlink()


def _write(file: int, holder: Holder | None) -> None:
    """Say in the file who holds the lock; where it can't be written, nobody is told."""
    with suppress(OSError):
        if os.fstat(file).st_nlink == 1:  # else someone has given a file of ours this name
            os.ftruncate(file, 0)
            os.pwrite(file, b"" if holder is None else msgspec.json.encode(holder)[:_MOST_BYTES], 0)


def _read(file: int) -> Holder:
    try:
        return msgspec.json.decode(os.pread(file, _MOST_BYTES, 0), type=Holder)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Holder()


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_MOST_SHOWN])


def _unusable(path: Path, why: str | None) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"The lock that keeps two measurements on this machine apart can't be used: {path}: {why}. "
        f"Delete that file, or set {VARIABLE} to one that all who measure here may write."
    )


def _close_inherited() -> None:
    """Close what a fork has copied: as long as a copy is open, the lock is held."""
    for file in _held.values():
        os.close(file)
    _held.clear()


os.register_at_fork(after_in_child=_close_inherited)
