"""Paths that may lead through symbolic links, kept as they were given.

`models/current` stays `models/current`, so that it can be pointed elsewhere later.
"""

import os
from pathlib import Path


def as_given(path: Path) -> Path:
    """Return `path` as an absolute path that goes through the same links.

    `..` is worked out where that reaches the same place; behind a link to another folder it doesn't, and stays.
    """
    normal = Path(os.path.abspath(path))  # noqa: PTH100 (Path.resolve would follow links)
    return normal if _same(normal, path) else path.absolute()


def relative_to_folder(path: Path, folder: Path) -> Path | None:
    """Return `path` relative to `folder`, so that the two can be moved together; None if that isn't possible.

    The system follows a link before it goes up by `..`. So where `folder` is reached through a link, going up from
    it may lead elsewhere than its name suggests. There is a relative path only where it leads to the same place.
    """
    target, start = as_given(path), as_given(folder)
    if ".." in (*target.parts, *start.parts):
        return None
    relative = Path(os.path.relpath(target, start))
    steps_up = relative.parts.count("..")
    common = Path(os.path.commonpath([target, start]))
    return relative if _same(start.joinpath(*[".."] * steps_up), common) else None


def _same(one: Path, other: Path) -> bool:
    """Whether both paths lead to the same place; it needn't exist."""
    return os.path.realpath(one) == os.path.realpath(other)
