"""Opens the storage of a study by its URL; errors name it without its password."""

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import optuna
import sqlalchemy.exc
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, make_url

from autotp.errors import EnvironmentFailure, InputError, StudyError

HEARTBEAT_S = 10
GRACE_S = 30

_DEFERRED = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)  # as far as they have handlers


@contextmanager
def using_storage(url: str) -> Iterator[None]:
    """Turn errors of SQLAlchemy and Optuna into an AutotpError that names the storage without its password.

    Optuna warns of experimental features that this project uses on purpose (heartbeats with ask and tell, metric
    names); these warnings are silenced here. Interrupts take effect at the end, so that no write is interrupted.
    """
    try:
        with _interrupts_deferred(), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", message="Heartbeat of storage")
            yield
    except sqlalchemy.exc.NoSuchModuleError as error:
        message = f"The storage URL {public_url(url)} names a kind of database that SQLAlchemy doesn't know."
        raise InputError(message) from error
    except sqlalchemy.exc.ArgumentError as error:
        raise InputError("The storage URL given can't be understood; sqlite:////data/x.db is one.") from error
    except ImportError as error:
        raise InputError(f"The driver of the storage URL {public_url(url)} isn't installed.") from error
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        message = f"The storage {public_url(url)} can't be reached or went away: {_first_line(error)}."
        raise EnvironmentFailure(message) from error


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Defer a first interrupt to the end; Ctrl-C after it interrupts at once, in case the storage hangs."""
    handlers = {number: signal.getsignal(number) for number in _DEFERRED}
    before = {int(number): handler for number, handler in handlers.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        before.clear()
    held: list[tuple[int, FrameType | None]] = []

    def hold(number: int, frame: FrameType | None) -> None:
        if held and number == signal.SIGINT:
            raise KeyboardInterrupt
        held.append((number, frame))

    for number in before:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            first, frame = held[0]
            before[first](first, frame)


def public_url(url: str) -> str:
    """Return `url` without user, password and query, as a query may hold a password, too."""
    try:
        parsed = make_url(url)
        kept = URL.create(parsed.drivername, host=parsed.host, port=parsed.port, database=parsed.database)
        return kept.render_as_string()
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return "given"


def open_storage(url: str) -> RDBStorage:
    """Connect to the storage at `url`; a missing SQLite file is created.

    Raises:
        InputError: the URL can't be understood.
        EnvironmentFailure: the storage can't be reached.
    """
    with using_storage(url):
        _parse(url)
        return RDBStorage(url, heartbeat_interval=HEARTBEAT_S, grace_period=GRACE_S)


def check_storage(url: str) -> None:
    """Check that the storage at `url` exists and can be read.

    Raises:
        InputError: the URL can't be understood.
        StudyError: it names a file that doesn't exist.
        EnvironmentFailure: the storage can't be reached.
    """
    file = _sqlite_file(url)
    if file is not None and not file.is_file():
        raise StudyError(f"There is no study in {file}: autotp tune makes one.")
    study_names(url)


def study_names(url: str) -> tuple[str, ...]:
    """Return the names of the studies in the storage at `url`; none if its SQLite file doesn't exist yet.

    Raises:
        InputError: the URL can't be understood.
        EnvironmentFailure: the storage can't be reached, or the file's folder doesn't exist.
    """
    file = _sqlite_file(url)
    if file is not None and not file.is_file():
        if file.parent.is_dir():
            return ()
        raise EnvironmentFailure(f"The storage {public_url(url)} can't be made: there is no folder {file.parent}.")
    with using_storage(url):
        return tuple(optuna.get_all_study_names(open_storage(url)))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
        return parsed
    except ValueError as error:  # such as a port that isn't a number; its text may quote the password
        raise InputError("The storage URL given can't be understood.") from error


def _sqlite_file(url: str) -> Path | None:
    with using_storage(url):
        parsed = _parse(url)
    in_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    return Path(str(parsed.database)) if in_file else None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200].rstrip(".")
