"""Connections to a SQLite file that wait while another program has locked it.

SQLite can wait by itself, but can't be interrupted while it does. So it waits for a moment only, and the statement
is repeated until the lock is gone. A statement that fails with SQLITE_BUSY has changed nothing and may be repeated
(https://www.sqlite.org/rescode.html#busy).
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self, TypeVar

from autotp.tuning.study.interrupts import is_interrupted

R = TypeVar("R")

LOCKED_S = 60.0  # how long a lock is waited for
SQLITE_WAITS_S = 0.2
_PAUSE_S = 0.05
_PRIMARY = 0xFF  # the bits of an error code that hold the primary one


class PatientCursor(sqlite3.Cursor):
    """A cursor that repeats a statement while the file is locked."""

    def execute(self, sql: str, /, *arguments: Any) -> Self:
        """Execute the statement `sql`."""
        return _once_unlocked(super().execute, sql, *arguments)

    def executemany(self, sql: str, /, *arguments: Any) -> Self:
        """Execute the statement `sql` for each of several rows."""
        return _once_unlocked(super().executemany, sql, *arguments)


class PatientConnection(sqlite3.Connection):
    """A connection whose statements and commits wait up to `LOCKED_S` for a lock of another program."""

    def cursor(self, factory: Any = PatientCursor) -> Any:
        """Return a cursor that waits, too."""
        return super().cursor(factory)

    def commit(self) -> None:
        """Commit the transaction."""
        _once_unlocked(super().commit)


def connect(file: Path) -> sqlite3.Connection:
    """Connect to `file`, which may have any name; it is created if it is missing."""
    return sqlite3.connect(file, timeout=SQLITE_WAITS_S, check_same_thread=False, factory=PatientConnection)


def _once_unlocked(action: Callable[..., R], *arguments: Any) -> R:
    """Repeat `action` until the file isn't locked any more, `LOCKED_S` have passed, or a signal asks to stop."""
    latest = monotonic() + LOCKED_S
    while True:
        try:
            return action(*arguments)
        except sqlite3.OperationalError as error:
            locked = getattr(error, "sqlite_errorcode", 0) & _PRIMARY == sqlite3.SQLITE_BUSY
            if not locked or monotonic() > latest or is_interrupted():
                raise
        sleep(_PAUSE_S)
