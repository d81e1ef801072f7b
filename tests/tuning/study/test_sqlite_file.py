"""A SQLite file that another program has locked."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from autotp.tuning.study import sqlite_file
from autotp.tuning.study.interrupts import interrupts_deferred
from autotp.tuning.study.sqlite_file import connect
from tests.support.interrupts import press_ctrl_c


@contextmanager
def locked(file: Path, seconds: float) -> Iterator[None]:
    """Hold `file` for so many seconds, or until the end of the block if that comes first."""
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(seconds, holder.execute, ["ROLLBACK"])
        release.start()
        try:
            yield
        finally:
            release.cancel()
            release.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one empty table."""
    path = tmp_path / "x.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER)")
    return path


def count(file: Path) -> int:
    """How many rows the table has."""
    with closing(sqlite3.connect(file)) as connection:
        (found,) = connection.execute("SELECT COUNT(*) FROM numbers").fetchone()
    return int(found)


def test_a_lock_is_waited_for(file: Path) -> None:
    """Reads and writes succeed once the other program is done, even if SQLite itself has long given up."""
    with closing(connect(file)) as connection, locked(file, 3 * sqlite_file.SQLITE_WAITS_S):
        assert connection.cursor().execute("SELECT * FROM numbers").fetchall() == []
    with closing(connect(file)) as connection, locked(file, 3 * sqlite_file.SQLITE_WAITS_S):
        connection.cursor().executemany("INSERT INTO numbers VALUES (?)", [(1,), (2,)])
        connection.commit()
    assert count(file) == 2


def test_a_commit_waits_for_readers(file: Path) -> None:
    """A program that reads delays a commit and doesn't make it fail."""
    with closing(connect(file)) as connection, closing(sqlite3.connect(file, check_same_thread=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM numbers").fetchone()
        connection.cursor().execute("INSERT INTO numbers VALUES (1)")
        release = threading.Timer(3 * sqlite_file.SQLITE_WAITS_S, reader.rollback)
        release.start()
        connection.commit()
        release.join()
    assert count(file) == 1


def test_waiting_has_an_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `LOCKED_S` the error is SQLite's own."""
    monkeypatch.setattr(sqlite_file, "LOCKED_S", 0.1)
    with (
        locked(file, 60.0),
        closing(connect(file)) as connection,
        pytest.raises(sqlite3.OperationalError) as raised,
    ):
        connection.cursor().execute("INSERT INTO numbers VALUES (1)")
    assert raised.value.sqlite_errorcode == sqlite3.SQLITE_BUSY


def test_a_lock_that_has_lasted_too_long_is_not_waited_for_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna repeats what failed, which must not multiply the wait; another lock later is waited for again."""
    pauses: list[float] = []
    times = iter(range(0, 10_000, 25))  # a look at the clock every 25 s
    monkeypatch.setattr(sqlite_file, "sleep", pauses.append)
    monkeypatch.setattr(sqlite_file, "monotonic", lambda: next(times))
    with closing(connect(file)) as connection:
        for _ in range(2):
            with locked(file, 60.0):
                for waits in (True, False):
                    with pytest.raises(sqlite3.OperationalError):
                        connection.cursor().execute("INSERT INTO numbers VALUES (1)")
                    assert bool(pauses) is waits
                    pauses.clear()
            connection.cursor().execute("SELECT * FROM numbers").fetchall()


def test_other_errors_are_not_waited_for(file: Path) -> None:
    """A table that doesn't exist is an error at once."""
    with closing(connect(file)) as connection, pytest.raises(sqlite3.OperationalError):
        connection.cursor().execute("INSERT INTO letters VALUES (1)")


def test_ctrl_c_ends_the_wait(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first Ctrl-C is enough while nothing is being written."""
    monkeypatch.setattr(sqlite_file, "sleep", lambda _seconds: press_ctrl_c())
    with (
        locked(file, 60.0),
        closing(connect(file)) as connection,
        pytest.raises(KeyboardInterrupt),
        interrupts_deferred(),
    ):
        connection.cursor().execute("INSERT INTO numbers VALUES (1)")
    assert count(file) == 0
