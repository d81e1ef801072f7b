"""One measurement at a time: a lock for the whole machine, so that measurements don't disturb each other.

It is flock(2) on one file that all users share. The kernel releases it when its holder dies for whatever reason,
and who waits for it sleeps in the kernel. The file lies in /dev/shm, or else in /tmp: /dev/shm exists in almost
every container, isn't cleaned while the machine runs, and is writable even if the root file system isn't. An
existing file is never opened with O_CREAT: in a sticky folder the kernel allows that to the file's owner alone
(fs.protected_regular, Documentation/admin-guide/sysctl/fs.rst). A new file is created under a temporary name, made
writable for everyone, and then linked to its real name, so that a umask can't lock other users out.

The lock belongs to a thread. A thread that holds it may take it again; other threads wait as other processes do.
A forked process closes its copy at once, and a process that is started anew doesn't inherit one.

Each container has a /dev/shm of its own: `AUTOTP_LOCK` names another file, for a lock that several containers
share. Every user of the machine can hold the lock for ever; then `AUTOTP_LOCK` helps, too.
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
from autotp.files.text import writable_text
from autotp.options import spell

VARIABLE = "AUTOTP_LOCK"
FILES = (Path("/dev/shm/autotp.lock"), Path("/tmp/autotp.lock"))  # noqa: S108 (everyone's, on purpose)
EVERYONES = 0o666
_MOST_BYTES = 1024
_MOST_SHOWN = 100
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # no symlink, and no waiting for a FIFO's other end

_held: dict[int, int] = {}  # file descriptors by thread


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock, as the file says. Anyone may write the file, so this is for messages only."""

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
        command: what the lock is held for, shown to others who wait.
        no_wait: whether to fail instead of waiting.
        waiting: called once with the holder, before a wait.

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
        _write(file, Holder(pid=os.getpid(), command=writable_text(command), since=now))
        yield
    finally:
        if _held.pop(thread, None) is not None:  # a fork has closed its copy already
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
        os.close(file)  # the file was deleted meanwhile, so others lock a new one


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
    """Open the lock's file; create it if needed."""
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
    """Open `path`, only for reading if its owner allows no more: that is enough for flock.

    Raises:
        FileNotFoundError: it doesn't exist.
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
        with suppress(FileExistsError):  # another process was faster
            os.link(name, path)
    finally:
        os.close(handle)
        Path(name).unlink()


def _write(file: int, holder: Holder | None) -> None:
    """Write into the file who holds the lock, if the file can be written."""
    with suppress(OSError):
        if os.fstat(file).st_nlink == 1:  # else it is a hard link to some other file of ours
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
    """Close what a fork has copied: while a copy is open, the lock is held."""
    for file in _held.values():
        os.close(file)
    _held.clear()


os.register_at_fork(after_in_child=_close_inherited)
