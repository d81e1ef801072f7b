"""The output gate: what is saved, how errors are measured, and what is accepted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autotp.measure.outputs import Gate, compare_outputs, save_outputs
from autotp.measure.protocol import OutputError

Outputs = list[dict[str, NDArray[Any]]]


def outputs(seed: int = 0) -> Outputs:
    """Two samples of two outputs, one of them with a slash in its name."""
    rng = np.random.default_rng(seed)
    return [
        {"y": rng.standard_normal((2, 3)).astype(np.float32), "a/b:0": rng.integers(0, 9, 4)} for _ in range(2)
    ]


def error(max_abs_error: float, max_abs_reference: float = 1.0, *, finite: bool = True) -> OutputError:
    """How far outputs are off."""
    return OutputError(max_abs_error=max_abs_error, max_abs_reference=max_abs_reference, finite=finite)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The reference on disk."""
    path = tmp_path / "reference.npz"
    save_outputs(path, outputs())
    return path


def test_saved_outputs_equal_themselves(saved: Path) -> None:
    """Outputs compared with their own reference have no error, and the reference's size is known."""
    found = compare_outputs(saved, outputs())
    size = max(float(np.abs(array).max()) for sample in outputs() for array in sample.values())
    assert found == error(0.0, size)


@pytest.mark.parametrize(("sample", "name", "shift"), [(0, "y", 0.25), (1, "y", -0.5), (1, "a/b:0", 2)])
def test_the_largest_error_of_any_output_of_any_sample_counts(
    saved: Path, sample: int, name: str, shift: float
) -> None:
    """One element that is off in one output of one sample is the error."""
    changed = outputs()
    changed[sample][name].flat[-1] += shift
    assert compare_outputs(saved, changed).max_abs_error == pytest.approx(abs(shift), rel=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_are_found(saved: Path, value: float) -> None:
    """NaN or Inf in place of a number is reported as such, whatever the other errors."""
    changed = outputs()
    changed[1]["y"][0, 0] = value
    assert not compare_outputs(saved, changed).finite


def test_nan_of_the_reference_itself_is_passed_over(tmp_path: Path) -> None:
    """Where the model itself gives NaN or Inf, an arm's value there is not judged."""
    reference: Outputs = [{"y": np.array([np.nan, np.inf, 2.0])}]
    save_outputs(tmp_path / "r.npz", reference)
    found = compare_outputs(tmp_path / "r.npz", [{"y": np.array([0.0, np.inf, 2.5])}])
    assert found == error(0.5, 2.0)


def test_whole_numbers_and_truth_values_are_compared(tmp_path: Path) -> None:
    """Unsigned and boolean outputs differ by their distance, without wrapping around."""
    save_outputs(tmp_path / "r.npz", [{"u": np.array([0], np.uint8), "b": np.array([True])}])
    found = compare_outputs(tmp_path / "r.npz", [{"u": np.array([3], np.uint8), "b": np.array([False])}])
    assert found == error(3.0, 1.0)


def test_nan_is_rejected_whatever_the_tolerance() -> None:
    """No tolerance admits NaN or Inf."""
    assert "NaN" in str(Gate(tolerance=1e9, hint_error=1e9).rejects(error(0.0, finite=False), "f32"))


@pytest.mark.parametrize(
    ("precision", "accepted", "rejected"),
    [("f32", 9e-5, 2e-4), (None, 9e-5, 2e-4), ("f16", 9e-3, 2e-2), ("bf16", 3e-2, 5e-2), ("u4", 9e-5, 2e-4)],
)
def test_each_precision_has_its_tolerance(precision: str | None, accepted: float, rejected: float) -> None:
    """Without hint error the bound is that of the inference precision, f32's where it's another."""
    assert Gate().rejects(error(accepted), precision) is None
    assert Gate().rejects(error(rejected), precision) is not None


def test_tolerance_grows_with_outputs_above_one() -> None:
    """Large outputs are judged by relative error, small ones by absolute error."""
    assert Gate().bound(error(0.0, 1000.0), "f32") == pytest.approx(0.1)
    assert Gate().bound(error(0.0, 0.001), "f32") == pytest.approx(1e-4)


def test_half_as_much_again_as_a_hint_is_accepted() -> None:
    """What OpenVINO's own hints do to the outputs, times 1.5, is the bar where it's above the tolerance."""
    gate = Gate(hint_error=0.2)
    assert gate.rejects(error(0.29), "f32") is None
    assert "0.31, accepted is 0.3" in str(gate.rejects(error(0.31), "f32"))


@settings(deadline=None, derandomize=True)
@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 10), st.sampled_from(["f32", "bf16"]))
def test_a_given_tolerance_is_absolute(tolerance: float, off: float, hint_error: float, precision: str) -> None:
    """The person's own bound replaces both the tolerance of the precision and the hints' error."""
    rejected = Gate(tolerance=tolerance, hint_error=hint_error).rejects(error(off, 1e6), precision)
    assert (rejected is not None) == (off > tolerance)
