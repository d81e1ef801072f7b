"""Serving a study in Optuna's web dashboard, on 127.0.0.1 only."""

from concurrent.futures import Future
from pathlib import Path
from threading import Thread

import optuna_dashboard

from autotp.errors import InputError, StudyError
from autotp.files.atomic import is_file
from autotp.tuning.study.storage_url import Place, check_storage, open_storage

HOST = "127.0.0.1"


def find_storage(source: str) -> Place:
    """Return the storage for `source`: a URL, the folder of a study, or a folder of such folders.

    Raises:
        StudyError: there is no study in the folder, or its tables are of another version of Optuna.
        InputError: the URL can't be understood.
        EnvironmentFailure: the storage can't be reached.
    """
    place = source if "://" in source and not Path(source).is_dir() else _newest(Path(source)).resolve()
    check_storage(place)
    return place


def serve_dashboard(place: Place, port: int) -> None:
    """Serve the dashboard of the storage at `place` until it's interrupted.

    The server has a thread of its own: an interrupt that arrives while it answers would be caught as an error of
    that answer (`wsgiref.handlers.BaseHandler.run`).

    Raises:
        InputError: the port is taken or may not be used.
    """
    ended: Future[None] = Future()

    def serve() -> None:
        try:
            optuna_dashboard.run_server(open_storage(place), host=HOST, port=port)
        except BaseException as error:
            ended.set_exception(error)
        else:
            ended.set_result(None)

    Thread(target=serve, daemon=True).start()
    try:
        ended.result()
    except OSError as error:
        raise InputError(f"Can't serve on port {port}: {error.strerror}. Choose another with --port.") from error


def _newest(folder: Path) -> Path:
    here = folder / "study.db"
    if is_file(here):
        return here
    try:
        found = sorted(folder.glob("*/study.db"), key=lambda path: path.stat().st_mtime)
    except OSError as error:  # such as a name that is too long
        raise StudyError(f"{folder} can't be read: {error.strerror}.") from error
    if not found:
        raise StudyError(f"There is no study in {folder}: autotp tune makes one.")
    return found[-1]
