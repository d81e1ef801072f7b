"""Serving a study in Optuna's web dashboard, on 127.0.0.1 only."""

from pathlib import Path

import optuna_dashboard

from autotp.errors import InputError, StudyError
from autotp.tuning.study.storage_url import check_storage

HOST = "127.0.0.1"


def find_storage(source: str) -> str:
    """Return the storage URL for `source`: a URL, the folder of a study, or a folder of such folders.

    Raises:
        StudyError: there is no study in the folder.
        InputError: the URL can't be understood.
        EnvironmentFailure: the storage can't be reached.
    """
    url = source if "://" in source else f"sqlite:///{_newest(Path(source)).resolve()}"
    check_storage(url)
    return url


def serve_dashboard(url: str, port: int) -> None:
    """Serve the dashboard until it's interrupted.

    Raises:
        InputError: the port is taken or may not be used.
    """
    try:
        optuna_dashboard.run_server(url, host=HOST, port=port)
    except OSError as error:
        raise InputError(f"Can't serve on port {port}: {error.strerror}. Choose another with --port.") from error


def _newest(folder: Path) -> Path:
    here = folder / "study.db"
    if here.is_file():
        return here
    found = sorted(folder.glob("*/study.db"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise StudyError(f"There is no study in {folder}: autotp tune makes one.")
    return found[-1]
