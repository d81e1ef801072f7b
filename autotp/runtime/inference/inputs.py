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
from autotp.runtime.models.language import BEAMS
from autotp.runtime.models.read import ModelInfo, Port

Sample = dict[str, NDArray[Any]]
CHECKED_SAMPLES = 4
MOST_CHECKED_SAMPLES = 16  # of a data file; more would delay the start of every arm
SEEDED_SAMPLES = 8
MOST_SAMPLES = 64  # of a data file; more would make a pass over them too long for a block
MOST_SAMPLE_BYTES = 64 << 20  # takes 0.2 s to generate
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


def make_samples(info: ModelInfo, seed: int, data: Path | None, most: int = MOST_SAMPLES) -> InputSamples:
    """Return at most `most` samples to drive: those of the file `data`, or random ones if it is None.

    Raises:
        ModelError: as `npz_samples` and `seeded_samples`.
    """
    if data is not None:
        return npz_samples(data, info, most)
    samples = seeded_samples(info, seed)
    return InputSamples(driven=samples[:most], checked=samples[:CHECKED_SAMPLES])


def seeded_samples(info: ModelInfo, seed: int, most: int = SEEDED_SAMPLES) -> tuple[Sample, ...]:
    """Return `most` random samples: floats are standard normal, integers are 0 or 1.

    Sample i depends on `seed` and i only. There are fewer if they don't fit into `MOST_SAMPLE_BYTES`, but at least
    `CHECKED_SAMPLES`. 0 and 1 are valid token ids, masks and type ids for any vocabulary; realistic values need a
    data file.

    Raises:
        ModelError: an input's element type has no numpy counterpart.
    """
    count = max(CHECKED_SAMPLES, min(most, _most_that_fit(info)))
    return tuple(_seeded(info, np.random.default_rng((seed, index))) for index in range(count))


def _seeded(info: ModelInfo, rng: np.random.Generator) -> Sample:
    return {port.name: _random(port, rng) for port in info.inputs}


def _most_that_fit(info: ModelInfo) -> int:
    return MOST_SAMPLE_BYTES // max(1, sum(_dtype(port).itemsize * prod(port.shape) for port in info.inputs))


def npz_samples(path: Path, info: ModelInfo, most: int = MOST_SAMPLES) -> InputSamples:
    """Read one array for each input; an additional leading dimension is the number of samples.

    An input of which there is a single array has that one in all samples. Those to drive are spread evenly over
    the file, from its first to its last sample: at most `most`. So are those to check, at most
    `MOST_CHECKED_SAMPLES`. There are no more of either than fit into `MOST_SAMPLE_BYTES`, but at least
    `CHECKED_SAMPLES`. The others aren't kept in memory.

    Raises:
        ModelError: the file can't be read, an input is missing, a shape or a value doesn't fit, or inputs have
            different numbers of samples.
    """
    arrays = _arrays(path)
    stacked = {port.name: _stack(path, port, arrays) for port in info.inputs}
    del arrays
    count, fitting = _sample_count(path, stacked), max(CHECKED_SAMPLES, _most_that_fit(info))
    driven = _spread(count, min(most, MOST_SAMPLES, fitting))
    checked = _spread(count, min(MOST_CHECKED_SAMPLES, fitting))
    taken = {
        index: {name: np.array(array[index % len(array)], order="C") for name, array in stacked.items()}
        for index in {*driven, *checked}
    }
    return InputSamples(tuple(taken[index] for index in driven), tuple(taken[index] for index in checked))


def _sample_count(path: Path, stacked: dict[str, NDArray[Any]]) -> int:
    counts = {name: len(array) for name, array in stacked.items()}
    count = max(counts.values(), default=1)
    if any(found not in (1, count) for found in counts.values()):
        held = ", ".join(f"{found} of {name!r}" for name, found in counts.items())
        raise ModelError(f"{path} holds {held}: every input needs as many samples, or one for all.")
    return count


def _spread(count: int, most: int) -> list[int]:
    """Return at most `most` of `count` indices, spread evenly from the first to the last."""
    return [round(index) for index in np.linspace(0, count - 1, min(count, most))]


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
    if port.name == BEAMS:  # rows of the state, so that 1 is none where there is a single row
        return np.arange(prod(port.shape)).reshape(port.shape).astype(dtype)
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
