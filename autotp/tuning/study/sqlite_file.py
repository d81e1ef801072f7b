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


class PatientConnection(sqlite3.Connection):
    """A connection whose statements and commits wait while another program has locked the file.

    Once a lock has lasted for `LOCKED_S`, nothing waits for it any more: Optuna repeats what failed several times.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._locked_since: float | None = None

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor that waits, too."""
        return super().cursor(factory or PatientCursor)

    def commit(self) -> None:
        """Commit the transaction."""
        self.once_unlocked(super().commit)

    def once_unlocked(self, action: Callable[..., R], *arguments: Any) -> R:
        """Repeat `action` until the file isn't locked, the lock has lasted too long, or a signal asks to stop."""
        while True:
            try:
                done = action(*arguments)
            except sqlite3.OperationalError as error:
                locked = getattr(error, "sqlite_errorcode", 0) & _PRIMARY == sqlite3.SQLITE_BUSY
                if not locked or self._lasts_too_long() or is_interrupted():
                    raise
            else:
                self._locked_since = None
                return done
            sleep(_PAUSE_S)

    def _lasts_too_long(self) -> bool:
        if self._locked_since is None:
            self._locked_since = monotonic()
        return monotonic() - self._locked_since > LOCKED_S


class PatientCursor(sqlite3.Cursor):
    """A cursor that repeats a statement while the file is locked."""

    connection: PatientConnection

    def execute(self, sql: str, /, *arguments: Any) -> Self:
        """Execute the statement `sql`."""
        return self.connection.once_unlocked(super().execute, sql, *arguments)

    def executemany(self, sql: str, /, *arguments: Any) -> Self:
        """Execute the statement `sql` for each of several rows."""
        return self.connection.once_unlocked(super().executemany, sql, *arguments)


def connect(file: Path) -> sqlite3.Connection:
    """Connect to `file`, which may have any name; it is created if it is missing."""
    return sqlite3.connect(file, timeout=SQLITE_WAITS_S, check_same_thread=False, factory=PatientConnection)
