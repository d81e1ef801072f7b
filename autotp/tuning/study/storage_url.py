"""Opens the storage of a study, given as a URL or as a SQLite file; errors name it without its password."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from traceback import walk_tb
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import QueuePool

from autotp.errors import EnvironmentFailure, InputError, StudyError
from autotp.files.atomic import is_file
from autotp.tuning.study.interrupts import interrupts_deferred
from autotp.tuning.study.sqlite_file import SQLITE_WAITS_S, PatientConnection, connect

Place = str | Path  # a URL, or a SQLite file, whose name may hold what URLs would treat as syntax

HEARTBEAT_S = 10
GRACE_S = 30


@contextmanager
def using_storage(place: Place) -> Iterator[None]:
    """Turn errors of SQLAlchemy and Optuna into an AutotpError that names the storage without its password.

    Optuna warns of experimental features that this project uses on purpose (heartbeats with ask and tell, metric
    names); these warnings are silenced here. Interrupts take effect at the end, so that no write is interrupted.
    """
    try:
        with interrupts_deferred(), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", message="Heartbeat of storage")
            yield
    except sqlalchemy.exc.NoSuchModuleError as error:
        message = f"The storage URL {public_url(place)} names a kind of database that SQLAlchemy doesn't know."
        raise InputError(message) from error
    except sqlalchemy.exc.ArgumentError as error:
        raise InputError("The storage URL given can't be understood; sqlite:////data/x.db is one.") from error
    except ImportError as error:
        raise InputError(f"The driver of the storage URL {public_url(place)} isn't installed.") from error
    except Exception as error:
        if not _is_of_storage(error):
            raise
        message = f"The storage {public_url(place)} can't be reached or went away: {_why(error)}."
        raise EnvironmentFailure(message) from error


def public_url(place: Place) -> str:
    """Return the URL `place` without user, password and query, as a query may hold a password, too.

    A file is shown as a URL with its name as it is, for people to read.
    """
    if isinstance(place, Path):
        return f"sqlite:///{place}"
    try:
        parsed = make_url(place)
        kept = URL.create(parsed.drivername, host=parsed.host, port=parsed.port, database=parsed.database)
        return kept.render_as_string()
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return "given"


def open_storage(place: Place) -> RDBStorage:
    """Connect to the storage at `place`; a missing SQLite file is created.

    Raises:
        InputError: the URL can't be understood.
        StudyError: its tables are of another version of Optuna.
        EnvironmentFailure: the storage can't be reached.
    """
    with using_storage(place):
        if isinstance(place, Path):  # Optuna formats a URL as a template, and SQLAlchemy parses it
            return _connected("sqlite://", place, creator=partial(connect, place), poolclass=QueuePool)
        parsed = _parse(place)
        if parsed.drivername not in ("sqlite", "sqlite+pysqlite"):
            return _connected(_filled(place), place, pool_pre_ping=True)
        waits = {} if "timeout" in parsed.query else {"timeout": SQLITE_WAITS_S}
        return _connected(_filled(place), place, connect_args={"factory": PatientConnection, **waits})


def check_storage(place: Place) -> None:
    """Check that the storage at `place` exists and can be read.

    Raises:
        InputError: the URL can't be understood.
        StudyError: it names a file that doesn't exist, or its tables are of another version of Optuna.
        EnvironmentFailure: the storage can't be reached.
    """
    file = _sqlite_file(place)
    if file is not None and not is_file(file):
        raise StudyError(f"There is no study in {file}: autotp tune makes one.")
    study_names(place)


def study_names(place: Place) -> tuple[str, ...]:
    """Return the names of the studies in the storage at `place`; none if its SQLite file doesn't exist yet.

    Raises:
        InputError: the URL can't be understood.
        StudyError: its tables are of another version of Optuna.
        EnvironmentFailure: the storage can't be reached, or the file's folder doesn't exist.
    """
    file = _sqlite_file(place)
    if file is not None and not is_file(file):
        if file.parent.is_dir():
            return ()
        raise EnvironmentFailure(
            f"The storage {public_url(place)} can't be made: there is no folder {file.parent}."
        )
    with using_storage(place):
        return tuple(optuna.get_all_study_names(open_storage(place)))


def _connected(url: str, place: Place, **engine: Any) -> RDBStorage:
    """Return Optuna's storage at `url`, in which braces are letters; `engine` is for SQLAlchemy."""
    literal = url.replace("{", "{{").replace("}", "}}")
    try:
        return RDBStorage(literal, engine, heartbeat_interval=HEARTBEAT_S, grace_period=GRACE_S)
    except (TypeError, ValueError) as error:  # such as ?timeout=long
        raise InputError(f"The query of the storage URL {public_url(place)} can't be understood.") from error
    except RuntimeError as error:  # says how to upgrade
        raise StudyError(f"The storage {public_url(place)} can't be used as it is: {_one_line(error)}.") from error


def _filled(url: str) -> str:
    """Return `url` with Optuna's `{SCHEMA_VERSION}` filled in; one that Optuna can't format stays as it is."""
    try:
        return RDBStorage._fill_storage_url_template(url)
    except (LookupError, ValueError, AttributeError):
        return url


def _parse(url: str) -> URL:
    try:
        parsed = make_url(_filled(url))
        parsed.get_dialect()
        return parsed
    except ValueError as error:  # such as a port that isn't a number; its text may quote the password
        raise InputError("The storage URL given can't be understood.") from error


def _sqlite_file(place: Place) -> Path | None:
    if isinstance(place, Path):
        return place
    with using_storage(place):
        parsed = _parse(place)
    in_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(str(parsed.database)) if in_file else None


def _is_of_storage(error: Exception) -> bool:
    """Whether `error` comes from SQLAlchemy or out of Optuna's storage, whatever its type."""
    passed = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return isinstance(error, sqlalchemy.exc.SQLAlchemyError) or any(
        name.startswith("optuna.storages") for name in passed
    )


def _why(error: BaseException) -> str:
    """Return the database's own words: Optuna's and SQLAlchemy's errors hold them as their cause."""
    while isinstance(error, optuna.exceptions.StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    original = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else None
    return _one_line(original or error)


def _one_line(error: BaseException) -> str:
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return " ".join(text.split())[:300].rstrip(".") or type(error).__name__
