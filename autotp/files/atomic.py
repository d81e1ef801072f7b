"""Atomic writes: a temporary file in the same folder, then a rename, so that a crash leaves no partial file."""

import os
import tempfile
from pathlib import Path

from autotp.errors import InputError


def is_file(path: Path) -> bool:
    """Whether `path` is a file; a name that the system can't even look up (too long, a NUL) isn't one."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def writable_folder(folder: Path) -> Path:
    """Create `folder` where it is missing and return it.

    Raises:
        InputError: it can't be created, is a file, or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:  # a ValueError for a NUL in its name
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"Can't write into folder {folder}: {reason or error}.") from error
    return folder


def write_atomically(path: Path, text: str) -> None:
    """Replace the content of `path` by `text` (UTF-8); a reader sees either the old or the new content.

    Raises:
        InputError: the file can't be written, or the disk is full.
    """
    try:
        _replace(path, text)
    except OSError as error:
        raise InputError(f"Can't write {path}: {error.strerror or error}.") from error


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
