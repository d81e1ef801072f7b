"""How far outputs are off: of each output by its own size, of whole numbers by how many differ."""

from pathlib import Path

import numpy as np
import pytest

from autotp.measuring.outputs.error import LEAST_SIZE, OutputError, compare_outputs, unrepeated, worst_error
from autotp.measuring.outputs.reference import save_outputs
from tests.support.outputs import error_of, two_samples


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The reference on disk."""
    path = tmp_path / "reference.npz"
    save_outputs(path, two_samples())
    return path


def test_saved_outputs_equal_themselves(saved: Path) -> None:
    """Outputs compared with their own reference have no error, and the reference's size is known."""
    found = compare_outputs(saved, two_samples())
    size = max(float(np.abs(array).max()) for sample in two_samples() for array in sample.values())
    assert found == OutputError(
        max_abs_error=0.0,
        max_abs_reference=size,
        finite=True,
        relative_errors={"y": 0.0},
        differing={"a/b:0": 0.0},
    )


@pytest.mark.parametrize(("sample", "name", "shift"), [(0, "y", 0.25), (1, "y", -0.5), (1, "a/b:0", 2)])
def test_the_largest_error_of_any_output_of_any_sample_counts(
    saved: Path, sample: int, name: str, shift: float
) -> None:
    """One element that is off in one output of one sample is the error."""
    changed = two_samples()
    changed[sample][name].flat[-1] += shift
    assert compare_outputs(saved, changed).max_abs_error == pytest.approx(abs(shift), rel=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_are_found(saved: Path, value: float) -> None:
    """NaN or Inf in place of a number is reported as such, whatever the other errors."""
    changed = two_samples()
    changed[1]["y"][0, 0] = value
    assert not compare_outputs(saved, changed).finite


def test_whole_numbers_and_truth_values_are_compared(tmp_path: Path) -> None:
    """Unsigned and boolean outputs differ by their distance, without wrapping around, and by how many differ."""
    save_outputs(tmp_path / "r.npz", [{"u": np.array([0, 1], np.uint8), "b": np.array([True])}])
    found = compare_outputs(tmp_path / "r.npz", [{"u": np.array([3, 1], np.uint8), "b": np.array([True])}])
    assert (found.max_abs_error, found.max_abs_reference) == (3.0, 1.0)
    assert (found.relative_errors, found.differing) == ({}, {"u": 0.5, "b": 0.0})


def test_logits_say_how_far_off_it_is_and_not_the_numbers_of_tokens(tmp_path: Path) -> None:
    """Where only logits decide the largest error is theirs: token 7 in place of 9000 isn't one of 8993."""
    save_outputs(tmp_path / "r.npz", [{"logits": np.array([4.0]), "tokens": np.array([9000])}])
    off = [{"logits": np.array([4.5]), "tokens": np.array([7])}]
    assert compare_outputs(tmp_path / "r.npz", off).max_abs_error == 8993
    found = compare_outputs(tmp_path / "r.npz", off, deciding=("logits",))
    assert (found.max_abs_error, found.max_abs_reference) == (0.5, 4.0)
    assert (found.differing, found.derived) == ({}, {"tokens": 1.0})


def test_an_output_of_zeros_may_have_the_least_rounding(tmp_path: Path) -> None:
    """Below the least size an error is judged as if the output had it: nothing is divided by zero."""
    save_outputs(tmp_path / "r.npz", [{"y": np.zeros(3)}])
    found = compare_outputs(tmp_path / "r.npz", [{"y": np.array([0.0, 0.0, LEAST_SIZE])}])
    assert found.relative_errors == {"y": 1.0}


def test_two_runs_that_differ_are_not_repeated() -> None:
    """Other numbers, another size, NaN elsewhere, other whole numbers: each is named; a rounding isn't."""
    one = {"y": np.ones(3), "z": np.zeros(2), "n": np.array([np.nan, 1.0]), "i": np.array([1, 2])}
    rounded = {**one, "y": np.ones(3) + 1e-6}
    assert unrepeated([one], [rounded]) == {}
    others = {"y": np.full(3, 1.1), "z": np.zeros(3), "n": np.array([1.0, np.nan]), "i": np.array([1, 3])}
    assert unrepeated([one, one], [one, others]) == dict.fromkeys(one, "differs from run to run")


def test_what_is_not_repeated_is_not_compared(tmp_path: Path) -> None:
    """Of an output that the reference doesn't repeat nothing is said, not even if it is missing."""
    save_outputs(tmp_path / "r.npz", [{"y": np.ones(3), "r": np.ones(3)}], {"r": "differs from run to run"})
    for answer in ({"y": np.ones(3), "r": np.zeros(7)}, {"y": np.ones(3)}):
        found = compare_outputs(tmp_path / "r.npz", [answer])
        assert (found.mismatch, found.relative_errors, found.resized) == (None, {"y": 0.0}, {})
        assert found.unchecked == {"r": "differs from run to run"}
        assert found.compared == ("y",)


def test_what_is_empty_is_not_said_to_be_compared(tmp_path: Path) -> None:
    """An output without elements in every sample has no error, and is named; in one sample it may be empty."""
    nothing, some = np.zeros((2, 0), np.int64), np.zeros((2, 1), np.int64)
    save_outputs(tmp_path / "r.npz", [{"places": nothing}, {"places": nothing}])
    found = compare_outputs(tmp_path / "r.npz", [{"places": nothing}, {"places": nothing}])
    assert (found.compared, found.unchecked) == ((), {"places": "is empty for these inputs"})
    save_outputs(tmp_path / "r.npz", [{"places": nothing}, {"places": some}])
    found = compare_outputs(tmp_path / "r.npz", [{"places": nothing}, {"places": some}])
    assert (found.compared, found.unchecked) == (("places",), {})


def test_another_size_is_counted_in_elements(tmp_path: Path) -> None:
    """Of an output that has one detection more or less, that is said; samples of equal size are compared."""
    save_outputs(tmp_path / "r.npz", [{"boxes": np.zeros((5, 4))}, {"boxes": np.zeros((3, 4))}])
    found = compare_outputs(tmp_path / "r.npz", [{"boxes": np.zeros((7, 4))}, {"boxes": np.ones((3, 4))}])
    assert (found.mismatch, found.resized, found.max_abs_error) == (None, {"boxes": 2}, 1.0)


def test_the_worst_is_taken_in_each_respect() -> None:
    """Of an arm's instances one may be far off, another give NaN, a third another shape: all of it counts."""
    several = [
        error_of(0.1, differing=0.5),
        error_of(0.3, 2.0, finite=False),
        OutputError(max_abs_error=0.0, max_abs_reference=0.0, finite=True, mismatch="output y is missing"),
    ]
    for found in (worst_error(several), worst_error(reversed(several))):
        assert (found.max_abs_error, found.max_abs_reference, found.finite) == (0.3, 2.0, False)
        assert (found.relative_errors, found.differing) == ({"y": 0.15}, {"ids": 0.5})
        assert found.mismatch == "output y is missing"
