"""The reference outputs on disk: each sample's arrays by name, in a temporary folder."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.errors import EnvironmentFailure

NamedOutputs = Sequence[dict[str, NDArray[Any]]]
_UNCHECKED = "unchecked"  # the keys of outputs hold a slash


class Outputs(msgspec.Struct, frozen=True):
    """Where the reference outputs are; whether the worker saves them or compares its own with them."""

    path: str
    save: bool = False


def reference_folder() -> "tempfile.TemporaryDirectory[str]":
    """Make a temporary folder for the reference outputs; it is deleted with the returned object.

    Raises:
        EnvironmentFailure: no temporary folder can be made.
    """
    try:
        return tempfile.TemporaryDirectory(prefix="autotp-")
    except OSError as error:
        raise EnvironmentFailure(
            f"No folder for temporary files can be made ({error.strerror}): set TMPDIR to one that can be written."
        ) from error


def save_outputs(path: Path, outputs: NamedOutputs, unchecked: Mapping[str, str] | None = None) -> None:
    """Write the outputs of each sample to `path` (.npz), and the `unchecked` ones by name with the reason."""
    arrays = {f"{index}/{name}": array for index, sample in enumerate(outputs) for name, array in sample.items()}
    if unchecked:
        arrays[_UNCHECKED] = np.array(json.dumps(dict(unchecked)))
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_outputs(path: Path) -> dict[str, NDArray[Any]]:
    """Return the outputs saved at `path`, by the sample's index and the name: `0/logits`."""
    with np.load(path, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files if key != _UNCHECKED}


def load_unchecked(path: Path) -> dict[str, str]:
    """Return the names of the outputs at `path` that nothing can be compared with, each with the reason."""
    with np.load(path, allow_pickle=False) as archive:
        found: dict[str, str] = json.loads(str(archive[_UNCHECKED])) if _UNCHECKED in archive else {}
        return found
