"""Samples: seeded ones, and those of an .npz file."""

import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotp.errors import ModelError
from autotp.runtime.inference import inputs
from autotp.runtime.inference.inputs import (
    CHECKED_SAMPLES,
    MOST_CHECKED_SAMPLES,
    MOST_SAMPLES,
    SEEDED_SAMPLES,
    npz_samples,
    seeded_samples,
)
from autotp.runtime.models.read import ModelInfo, Port

FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
WHOLE = {
    "boolean": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
}  # fmt: skip
INFO = ModelInfo((Port("x", "f32", (2, 3)), Port("ids", "i64", (4,))), ())
X = np.arange(6, dtype=np.float32).reshape(2, 3)
IDS = np.arange(4)


def save(path: Path, **arrays: Any) -> Path:
    """Write the arrays to `path`."""
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


def test_a_seed_fixes_the_samples() -> None:
    """The same seed gives equal samples, another one others, and the samples of one seed differ."""

    def flat(seed: int) -> list[list[float]]:
        return [sample["x"].ravel().tolist() for sample in seeded_samples(INFO, seed)]

    assert flat(3) == flat(3)
    assert flat(3) != flat(4)
    assert len({tuple(sample) for sample in flat(3)}) == SEEDED_SAMPLES


def test_beams_stay_where_they_are() -> None:
    """Each sequence goes on from its own state: other numbers may be of sequences that there aren't."""
    info = ModelInfo((Port("beam_idx", "i32", (3,)), Port("input_ids", "i64", (3, 9))), ())
    for sample in seeded_samples(info, 0):
        assert sample["beam_idx"].tolist() == [0, 1, 2]
        assert sample["beam_idx"].dtype == np.int32
        assert set(sample["input_ids"].ravel().tolist()) == {0, 1}


def test_each_request_has_a_sample_that_its_number_fixes() -> None:
    """As many different samples as requests, and at least four; sample i is the same however many there are."""
    many, few = seeded_samples(INFO, 0, 40), seeded_samples(INFO, 0, 1)
    assert len({sample["x"].tobytes() for sample in many}) == len(many) == 40
    assert len(few) == CHECKED_SAMPLES
    for one, other in zip(many, few, strict=False):
        assert {name: array.tolist() for name, array in one.items()} == {
            name: array.tolist() for name, array in other.items()
        }


def test_samples_of_large_inputs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more samples than fit into the bound are made, but always enough to check outputs with."""
    bytes_each = 2 * 3 * 4 + 4 * 8
    monkeypatch.setattr(inputs, "MOST_SAMPLE_BYTES", 10 * bytes_each)
    assert len(seeded_samples(INFO, 0, 40)) == 10
    monkeypatch.setattr(inputs, "MOST_SAMPLE_BYTES", bytes_each)
    assert len(seeded_samples(INFO, 0, 40)) == CHECKED_SAMPLES


@pytest.mark.parametrize("element_type", FLOATS)
def test_floats_are_standard_normal(element_type: str) -> None:
    """Float inputs have their own dtype and shape, mean 0 and deviation 1."""
    (sample, *_) = seeded_samples(ModelInfo((Port("x", element_type, (100, 100)),), ()), 0)
    assert sample["x"].dtype == FLOATS[element_type]
    assert sample["x"].shape == (100, 100)
    assert float(sample["x"].astype(np.float64).mean()) == pytest.approx(0.0, abs=0.05)
    assert float(sample["x"].astype(np.float64).std()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("element_type", WHOLE)
def test_whole_numbers_are_zero_and_one(element_type: str) -> None:
    """Whole numbers and truth values have their own dtype and are valid ids whatever the vocabulary."""
    (sample, *_) = seeded_samples(ModelInfo((Port("x", element_type, (50,)),), ()), 0)
    assert sample["x"].dtype == WHOLE[element_type]
    assert set(sample["x"].tolist()) == {0, 1}


@pytest.mark.parametrize("element_type", ["bf16", "u4", "string", "f8e4m3"])
def test_a_type_that_numpy_lacks_is_named(element_type: str) -> None:
    """An input that can't be filled is an error with its name and type."""
    with pytest.raises(ModelError, match=f"'x' has element type {element_type}"):
        seeded_samples(ModelInfo((Port("x", element_type, (1,)),), ()), 0)


def test_one_array_for_each_input_is_one_sample(tmp_path: Path) -> None:
    """Arrays of the inputs' own shapes are one sample, cast to the inputs' types."""
    (sample,) = npz_samples(save(tmp_path / "d.npz", x=X.astype(np.float64), ids=IDS, extra=1), INFO).driven
    assert set(sample) == {"x", "ids"}
    assert [sample[name].dtype.name for name in ("x", "ids")] == ["float32", "int64"]
    assert sample["x"].tolist() == X.tolist()


def test_a_leading_dimension_holds_samples(tmp_path: Path) -> None:
    """Sample i of a file is the i-th of each array."""
    path = save(tmp_path / "d.npz", x=np.stack([X, X + 1]), ids=np.stack([IDS, IDS * 2]))
    first, second = npz_samples(path, INFO).driven
    assert (first["x"][0, 0], second["x"][0, 0]) == (0.0, 1.0)
    assert (first["ids"][3], second["ids"][3]) == (3, 6)


@pytest.mark.parametrize("ids", [IDS, IDS[np.newaxis]])
def test_a_single_array_goes_with_all_samples(tmp_path: Path, ids: np.ndarray[Any, Any]) -> None:
    """One row of ids, with or without a leading dimension, is that of every sample of the other input."""
    found = npz_samples(save(tmp_path / "d.npz", x=np.stack([X + number for number in range(8)]), ids=ids), INFO)
    for samples in (found.driven, found.checked):
        assert [int(sample["x"][0, 0]) for sample in samples] == list(range(8))
        assert all(sample["ids"].tolist() == IDS.tolist() for sample in samples)


def test_other_numbers_of_samples_are_refused(tmp_path: Path) -> None:
    """Eight of one input and three of another don't fit together; the text says how many there are of each."""
    path = save(tmp_path / "d.npz", x=np.stack([X] * 8), ids=np.stack([IDS] * 3))
    with pytest.raises(ModelError, match="holds 8 of 'x', 3 of 'ids': every input needs as many samples"):
        npz_samples(path, INFO)


def checked(path: Path, requests: int = CHECKED_SAMPLES) -> list[int]:
    """Which samples of a file made by `numbered` are checked."""
    return [int(sample["x"][0, 0]) for sample in npz_samples(path, INFO, requests).checked]


def numbered(path: Path, count: int) -> Path:
    """A file of samples that say their number."""
    return save(
        path, x=np.stack([np.full((2, 3), number) for number in range(count)]), ids=np.stack([IDS] * count)
    )


def test_of_a_large_file_some_samples_are_checked_and_driven(tmp_path: Path) -> None:
    """Both are spread from the first to the last; checked are sixteen, however few are driven."""
    path = numbered(tmp_path / "d.npz", 1000)
    found = checked(path)
    assert (found[0], found[-1], len(set(found))) == (0, 999, MOST_CHECKED_SAMPLES)
    assert {66, 67} >= {later - earlier for earlier, later in pairwise(found)}
    assert checked(path, 1) == checked(path, 500) == found
    for most, count in ((1, 1), (3, 3), (500, MOST_SAMPLES)):
        driven = [int(sample["x"][0, 0]) for sample in npz_samples(path, INFO, most).driven]
        assert (len(set(driven)), driven[0], driven[-1]) == (count, 0, 999 if count > 1 else 0)


def test_all_samples_of_a_small_file_are_checked(tmp_path: Path) -> None:
    """Up to sixteen, each of them, in order."""
    for count in (1, 2, 5, MOST_CHECKED_SAMPLES):
        assert checked(numbered(tmp_path / f"{count}.npz", count)) == list(range(count))


def test_of_large_samples_fewer_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than fit into the bound, but at least four."""
    path, bytes_each = numbered(tmp_path / "d.npz", 100), 2 * 3 * 4 + 4 * 8
    monkeypatch.setattr(inputs, "MOST_SAMPLE_BYTES", 10 * bytes_each)
    assert len(checked(path)) == 10
    monkeypatch.setattr(inputs, "MOST_SAMPLE_BYTES", bytes_each)
    assert len(checked(path)) == CHECKED_SAMPLES


def test_samples_hold_on_to_nothing_of_the_file(tmp_path: Path) -> None:
    """What is neither driven nor checked can be let go: a sample is no view of the file's array."""
    for sample in npz_samples(numbered(tmp_path / "d.npz", 100), INFO).driven:
        assert all(array.base is None for array in sample.values())


@pytest.mark.parametrize(
    ("element_type", "value", "text"),
    [
        ("i64", 0.7, r"'x' holds 0\.7, which an input of i64 can't take"),
        ("i32", np.nan, "'x' holds nan, which an input of i32"),
        ("u8", 300, "'x' holds 300, which an input of u8"),
        ("u8", -1.0, r"'x' holds -1\.0, which an input of u8"),
        ("boolean", 2, "'x' holds 2, which an input of boolean"),
        ("f16", 1e6, r"'x' holds 1000000\.0, which an input of f16"),
    ],
)
def test_values_that_would_become_others_are_refused(
    tmp_path: Path, element_type: str, value: float, text: str
) -> None:
    """A share of 0.7 is no class 0, and 300 no byte: nothing is cut off silently."""
    info = ModelInfo((Port("x", element_type, (2,)),), ())
    samples = np.zeros((1000, 2), np.asarray(value).dtype)
    samples[500, 1] = value  # neither driven nor checked
    with pytest.raises(ModelError, match=text):
        npz_samples(save(tmp_path / "d.npz", x=samples), info)


@pytest.mark.parametrize(
    ("element_type", "values"),
    [("i64", [0.0, 7.0]), ("u8", [0, 255]), ("boolean", [0.0, 1.0]), ("f16", [0.1, np.inf]), ("f32", [1, 2])],
)
def test_values_that_stay_what_they_are_are_taken(tmp_path: Path, element_type: str, values: list[float]) -> None:
    """Whole numbers may be written as floats, floats be rounded, and Inf stays Inf."""
    info = ModelInfo((Port("x", element_type, (2,)),), ())
    (sample,) = npz_samples(save(tmp_path / "d.npz", x=np.array(values)), info).driven
    assert sample["x"].tolist() == pytest.approx(values, rel=1e-3)


def test_a_scalar_input_takes_a_scalar(tmp_path: Path) -> None:
    """An input without dimensions takes one number, or a row of them as samples."""
    info = ModelInfo((Port("s", "f32", ()),), ())
    assert [sample["s"].shape for sample in npz_samples(save(tmp_path / "one.npz", s=1.5), info).driven] == [()]
    assert len(npz_samples(save(tmp_path / "three.npz", s=[1.0, 2.0, 3.0]), info).driven) == 3


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"x": X}, "holds no array 'ids'; it holds x"),
        ({}, "holds no array 'x'; it holds nothing"),
        ({"x": X.T, "ids": IDS}, r"'x' has shape \[3, 2\], the input \[2, 3\]"),
        ({"x": X[np.newaxis, np.newaxis], "ids": IDS}, r"'x' has shape \[1, 1, 2, 3\]"),
        ({"x": np.empty((0, 2, 3), np.float32), "ids": IDS}, r"'x' has shape \[0, 2, 3\]"),
        ({"x": np.full((2, 3), "a"), "ids": IDS}, "'x' holds str32, the input takes f32"),
        ({"x": X.astype(complex), "ids": IDS}, "'x' holds complex128, the input takes f32"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path: Path, arrays: dict[str, Any], text: str) -> None:
    """A missing array, another shape, no samples and what isn't numbers are errors with the array's name."""
    with pytest.raises(ModelError, match=text):
        npz_samples(save(tmp_path / "d.npz", **arrays), INFO)


class Trap:
    """An object that leaves a trace when it's unpickled."""

    trace: Path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return (Path.touch, (self.trace,))


def test_pickled_objects_are_refused_and_never_run(tmp_path: Path) -> None:
    """An array of objects, whose loading could run code, is refused without being unpickled."""
    trap = Trap()
    Trap.trace = tmp_path / "trace"
    path = save(tmp_path / "d.npz", x=np.array([trap], dtype=object), ids=IDS)
    with pytest.raises(ModelError, match="plain arrays"):
        npz_samples(path, INFO)
    assert not Trap.trace.exists()


def test_what_is_no_npz_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder, text, an .npy and another archive are each one sentence with the path."""
    (tmp_path / "text").write_text("hello")
    np.save(tmp_path / "one.npy", X)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("x.txt", "hello")
    for name in ("missing", ".", "text", "one.npy", "other.zip"):
        with pytest.raises(ModelError, match=str(tmp_path)):
            npz_samples(tmp_path / name, INFO)


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_npz_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    """Cut anywhere and with bytes changed, a file gives samples or a ModelError, nothing else."""
    with (tmp_path / "good.npz").open("wb") as file:
        np.savez_compressed(file, x=X, ids=IDS)
    content = bytearray((tmp_path / "good.npz").read_bytes())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[position] = data.draw(st.integers(0, 255))
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        samples = npz_samples(damaged, INFO)
    except ModelError as error:
        assert str(damaged) in str(error)
    else:
        assert samples.driven[0]["x"].shape == (2, 3)
