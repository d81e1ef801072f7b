"""Inputs for a model: the arrays of the user's .npz file, or random values from a seed."""

import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.errors import ModelError
from autotp.runtime.models.read import ModelInfo, Port

Sample = dict[str, NDArray[Any]]
CHECKED_SAMPLES = 4
MOST_CHECKED_SAMPLES = 16  # of a data file; more would delay the start of every arm
MOST_SAMPLE_BYTES = 64 << 20  # takes 0.2 s to generate; above it requests share samples
NUMBERS = "biuf"

_UNREADABLE = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)

_DTYPES = {
    "f16": np.float16, "f32": np.float32, "f64": np.float64, "boolean": np.bool_,
    "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
}  # fmt: skip


class InputSamples(msgspec.Struct, frozen=True):
    """The samples that timed requests get (`driven`), and those whose outputs are compared (`checked`)."""

    driven: tuple[Sample, ...]
    checked: tuple[Sample, ...]


def make_samples(info: ModelInfo, seed: int, data: Path | None, requests: int = CHECKED_SAMPLES) -> InputSamples:
    """Return samples for `requests` requests: those of the file `data`, or random ones if it is None.

    Raises:
        ModelError: as `npz_samples` and `seeded_samples`.
    """
    if data is not None:
        return npz_samples(data, info, requests)
    samples = seeded_samples(info, seed, requests)
    return InputSamples(driven=samples, checked=samples[:CHECKED_SAMPLES])


def seeded_samples(info: ModelInfo, seed: int, requests: int = CHECKED_SAMPLES) -> tuple[Sample, ...]:
    """Return random samples for `requests` requests: floats are standard normal, integers are 0 or 1.

    Sample i depends on `seed` and i only. There is one for each request, but at least `CHECKED_SAMPLES`, and above
    that no more than fit into `MOST_SAMPLE_BYTES`. 0 and 1 are valid token ids, masks and type ids for any
    vocabulary; realistic values need a data file.

    Raises:
        ModelError: an input's element type has no numpy counterpart.
    """
    count = max(CHECKED_SAMPLES, min(requests, _most_that_fit(info)))
    return tuple(_seeded(info, np.random.default_rng((seed, index))) for index in range(count))


def _seeded(info: ModelInfo, rng: np.random.Generator) -> Sample:
    return {port.name: _random(port, rng) for port in info.inputs}


def _most_that_fit(info: ModelInfo) -> int:
    return MOST_SAMPLE_BYTES // max(1, sum(_dtype(port).itemsize * prod(port.shape) for port in info.inputs))


def npz_samples(path: Path, info: ModelInfo, requests: int = CHECKED_SAMPLES) -> InputSamples:
    """Read one array for each input; an additional leading dimension is the number of samples.

    The first `requests` samples are driven. The checked ones are spread evenly over the file, from its first to
    its last sample: at most `MOST_CHECKED_SAMPLES`, and no more than fit into `MOST_SAMPLE_BYTES`, but at least
    `CHECKED_SAMPLES`. The others aren't kept in memory.

    Raises:
        ModelError: the file can't be read, an input is missing, or a shape or a value doesn't fit.
    """
    arrays = _arrays(path)
    stacked = {port.name: _stack(path, port, arrays) for port in info.inputs}
    del arrays
    count = min(len(array) for array in stacked.values())
    checked = min(count, max(CHECKED_SAMPLES, min(MOST_CHECKED_SAMPLES, _most_that_fit(info))))
    spread = [round(index) for index in np.linspace(0, count - 1, checked)]
    first = range(min(count, requests))
    taken = {
        index: {name: np.array(array[index], order="C") for name, array in stacked.items()}
        for index in {*first, *spread}
    }
    return InputSamples(tuple(taken[index] for index in first), tuple(taken[index] for index in spread))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(path):
        problem = "isn't an .npz file, as numpy.savez writes it" if path.is_file() else "isn't a file"
        raise ModelError(f"{path} {problem}.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except _UNREADABLE as error:
        raise ModelError(f"{path} isn't an .npz file of plain arrays that can be read: {error}.") from error


def _random(port: Port, rng: np.random.Generator) -> NDArray[Any]:
    dtype = _dtype(port)
    if np.issubdtype(dtype, np.floating):
        return np.asarray(rng.standard_normal(port.shape, np.float32)).astype(dtype)
    return np.asarray(rng.integers(0, 2, port.shape, np.uint8)).astype(dtype)


def _stack(path: Path, port: Port, arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    if port.name not in arrays:
        raise ModelError(f"{path} holds no array {port.name!r}; it holds {', '.join(arrays) or 'nothing'}.")
    array = arrays[port.name]
    if array.dtype.kind not in NUMBERS:
        raise ModelError(f"{path}: {port.name!r} holds {array.dtype.name}, the input takes {port.element_type}.")
    if array.shape == port.shape:
        array = array[np.newaxis]
    if array.shape[1:] != port.shape or not len(array):
        raise ModelError(f"{path}: {port.name!r} has shape {list(array.shape)}, the input {list(port.shape)}.")
    return _fitted(path, port, array)


def _fitted(path: Path, port: Port, array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in the input's element type; only floats may be rounded."""
    dtype = _dtype(port)
    if array.dtype == dtype:
        return array
    with np.errstate(invalid="ignore", over="ignore"):
        fitted = array.astype(dtype)
    floats = np.issubdtype(dtype, np.floating)
    fits = np.isfinite(fitted) == np.isfinite(array) if floats else fitted == array
    if not np.all(fits):
        first = np.extract(np.logical_not(fits), array)[0]
        raise ModelError(f"{path}: {port.name!r} holds {first}, which an input of {port.element_type} can't take.")
    return fitted


def _dtype(port: Port) -> np.dtype[Any]:
    if port.element_type not in _DTYPES:
        raise ModelError(
            f"Input {port.name!r} has element type {port.element_type}, for which autotp can't make values."
        )
    return np.dtype(_DTYPES[port.element_type])
