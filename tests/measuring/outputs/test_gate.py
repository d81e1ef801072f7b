"""The output gate: what is saved, how errors are measured, and what is accepted."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autotp.errors import EnvironmentFailure
from autotp.measuring.job import REFERENCE_PROPERTIES
from autotp.measuring.outputs.error import LEAST_SIZE, OutputError, compare_outputs, worst_error
from autotp.measuring.outputs.gate import TOLERANCES, Gate
from autotp.measuring.outputs.reference import Outputs as Checked
from autotp.measuring.outputs.reference import reference_folder, save_outputs
from autotp.measuring.parent.pool import Workers
from autotp.measuring.preparation import record_reference
from autotp.measuring.rounds.arm import Arm, ArmSpec
from autotp.measuring.workload.workload import Workload
from autotp.runtime import Plan, compile_plan, infer_outputs, locate, reset_states
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.inference.requests import STEPS, create_requests
from tests.evidence.check_outputs import CHAOS_TOLERANCE, check_chaos, check_recogniser, tune, tune_recogniser
from tests.support.models import chaotic_model, counting_model
from tests.support.real_models import real_model_or_skip

Outputs = list[dict[str, NDArray[Any]]]


def outputs(seed: int = 0) -> Outputs:
    """Two samples of two outputs, one of them with a slash in its name."""
    rng = np.random.default_rng(seed)
    return [
        {"y": rng.standard_normal((2, 3)).astype(np.float32), "a/b:0": rng.integers(0, 9, 4)} for _ in range(2)
    ]


def error(
    max_abs_error: float, max_abs_reference: float = 1.0, *, finite: bool = True, differing: float = 0.0
) -> OutputError:
    """How far an output y of floats is off, and another of classes."""
    return OutputError(
        max_abs_error=max_abs_error,
        max_abs_reference=max_abs_reference,
        finite=finite,
        relative_errors={"y": max_abs_error / max_abs_reference},
        differing={"ids": differing},
    )


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
    changed = outputs()
    changed[sample][name].flat[-1] += shift
    assert compare_outputs(saved, changed).max_abs_error == pytest.approx(abs(shift), rel=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_are_found(saved: Path, value: float) -> None:
    """NaN or Inf in place of a number is reported as such, whatever the other errors."""
    changed = outputs()
    changed[1]["y"][0, 0] = value
    assert not compare_outputs(saved, changed).finite


@pytest.mark.parametrize(
    ("answer", "finite"),
    [
        ([np.nan, np.inf, 2.0], True),
        ([0.0, np.inf, 2.0], False),
        ([np.nan, 0.0, 2.0], False),
        ([np.nan, -np.inf, 2.0], False),
        ([np.inf, np.nan, 2.0], False),
    ],
)
def test_nan_and_inf_of_the_reference_have_to_be_answered_alike(
    answer: list[float], finite: bool, tmp_path: Path
) -> None:
    """Where the model itself gives NaN or Inf, an arm that gives anything else is wrong."""
    save_outputs(tmp_path / "r.npz", [{"y": np.array([np.nan, np.inf, 2.0])}])
    found = compare_outputs(tmp_path / "r.npz", [{"y": np.array(answer)}])
    assert (found.finite, found.max_abs_error, found.max_abs_reference) == (finite, 0.0, 2.0)
    assert (Gate(tolerance=1e9).rejects(found, "f32") is None) == finite


def test_an_output_without_a_number_is_never_passed(tmp_path: Path) -> None:
    """With only NaN in the reference nothing can be judged, which is said; one sample with numbers will do."""
    nothing, some = np.full(3, np.nan, np.float32), np.zeros(3, np.float32)
    for second, judged in ((nothing, False), (some, True)):
        both: Outputs = [{"y": nothing}, {"y": second}]
        save_outputs(tmp_path / "r.npz", both)
        reason = Gate(tolerance=1e9).rejects(compare_outputs(tmp_path / "r.npz", both), "f32")
        assert (reason is None) == judged
        assert judged or "output y can't be judged" in str(reason)


def test_whole_numbers_and_truth_values_are_compared(tmp_path: Path) -> None:
    """Unsigned and boolean outputs differ by their distance, without wrapping around, and by how many differ."""
    save_outputs(tmp_path / "r.npz", [{"u": np.array([0, 1], np.uint8), "b": np.array([True])}])
    found = compare_outputs(tmp_path / "r.npz", [{"u": np.array([3, 1], np.uint8), "b": np.array([True])}])
    assert (found.max_abs_error, found.max_abs_reference) == (3.0, 1.0)
    assert (found.relative_errors, found.differing) == ({}, {"u": 0.5, "b": 0.0})


def test_another_class_is_wrong_however_close_its_number(tmp_path: Path) -> None:
    """Token 29999 in place of 30000 is another token; a hint that turns half of them sets the bar at 1.5 times."""
    save_outputs(tmp_path / "r.npz", [{"ids": np.array([30000, 7, 8, 9], np.int64)}])
    found = compare_outputs(tmp_path / "r.npz", [{"ids": np.array([29999, 7, 8, 9], np.int64)}])
    assert found.differing == {"ids": 0.25}
    assert "25.00% of the whole numbers of output ids differ" in str(Gate().rejects(found, "f32"))
    assert Gate().accepting([error(0.0, differing=0.2)]).rejects(found, "f32") is None
    assert Gate().accepting([error(0.0, differing=0.1)]).rejects(found, "f32") is not None


def test_where_it_is_strict_no_hint_excuses_another_token() -> None:
    """What a lossy config says must be what the reference says, also where hints don't, or with a tolerance."""
    off = error(0.0, differing=0.25)
    lenient = Gate().accepting([error(0.0, differing=0.5)])
    assert lenient.rejects(off, "f32") is None
    assert "25.00% of the whole numbers" in str(lenient.rejects(off, "f32", strict=True))
    assert Gate(tolerance=1.0).rejects(off, "f32") is None
    assert Gate(tolerance=1.0).rejects(off, "f32", strict=True) is not None
    assert lenient.rejects(error(0.0), "f32", strict=True) is None


def test_logits_tell_how_far_off_it_is_and_not_the_numbers_of_tokens(tmp_path: Path) -> None:
    """Where only logits are told the largest error is theirs: token 7 in place of 9000 isn't one of 8993."""
    save_outputs(tmp_path / "r.npz", [{"logits": np.array([4.0]), "tokens": np.array([9000])}])
    off = [{"logits": np.array([4.5]), "tokens": np.array([7])}]
    assert compare_outputs(tmp_path / "r.npz", off).max_abs_error == 8993
    found = compare_outputs(tmp_path / "r.npz", off, told=("logits",))
    assert (found.max_abs_error, found.max_abs_reference) == (0.5, 4.0)
    assert (found.differing, found.derived) == ({}, {"tokens": 1.0})


def test_what_another_output_decides_is_judged_where_it_is_strict_alone() -> None:
    """A more exact config may say the other of two likely tokens; a less exact one may not."""
    off = msgspec.structs.replace(error(0.0), derived={"tokens": 0.25})
    assert Gate().rejects(off, "f32") is None
    assert "25.00% of the whole numbers of output tokens" in str(Gate().rejects(off, "f32", strict=True))
    assert worst_error([error(0.0), off]).derived == {"tokens": 0.25}


def test_a_large_output_excuses_nothing_in_a_small_one(tmp_path: Path) -> None:
    """An error of 0.5 is a trifle in logits of 20000 and wrong in scores below 1."""
    save_outputs(tmp_path / "r.npz", [{"logits": np.array([2e4]), "scores": np.array([0.5])}])
    far = compare_outputs(tmp_path / "r.npz", [{"logits": np.array([2e4 + 0.5]), "scores": np.array([0.5])}])
    wrong = compare_outputs(tmp_path / "r.npz", [{"logits": np.array([2e4]), "scores": np.array([0.0])}])
    assert far.max_abs_error == wrong.max_abs_error == 0.5
    assert Gate().rejects(far, "f32") is None
    assert Gate().rejects(wrong, "bf16") is not None
    assert Gate(tolerance=0.1).rejects(far, "f32") is not None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([{"y": np.zeros((2, 3))}], "output y has shape [2, 3], the reference's [3, 2]"),
        ([{"y": np.zeros(())}], "output y has shape [], the reference's [3, 2]"),
        ([{"z": np.zeros((3, 2))}], "output y is missing"),
        ([{"y": np.zeros((3, 2)), "z": np.zeros(1)}], "output z is not one of the reference's"),
        ([], "output y is missing"),
    ],
)
def test_what_cannot_be_compared_is_wrong(answer: Outputs, words: str, tmp_path: Path) -> None:
    """Another shape, a missing or an additional output: no crash, but a reason, whatever the tolerance."""
    save_outputs(tmp_path / "r.npz", [{"y": np.zeros((3, 2))}])
    found = compare_outputs(tmp_path / "r.npz", answer)
    assert Gate(tolerance=1e9).accepting([error(1e9)]).rejects(found, "f32") == words


def test_an_empty_output_equals_itself(tmp_path: Path) -> None:
    """Nothing was found: no boxes, no classes."""
    nothing: Outputs = [{"boxes": np.zeros((0, 4), np.float32), "classes": np.zeros(0, np.int64)}]
    save_outputs(tmp_path / "r.npz", nothing)
    assert Gate().rejects(compare_outputs(tmp_path / "r.npz", nothing), "f32") is None


def test_nan_is_rejected_whatever_the_tolerance() -> None:
    """No tolerance admits NaN or Inf."""
    assert "NaN" in str(Gate(tolerance=1e9).accepting([error(1e9)]).rejects(error(0.0, finite=False), "f32"))


@pytest.mark.parametrize(
    ("precision", "accepted", "rejected"),
    [("f32", 9e-5, 2e-4), (None, 9e-5, 2e-4), ("f16", 9e-3, 2e-2), ("bf16", 3e-2, 5e-2), ("u4", 9e-5, 2e-4)],
)
def test_each_precision_has_its_tolerance(precision: str | None, accepted: float, rejected: float) -> None:
    """Without hint error the bound is that of the inference precision, f32's where it's another."""
    assert Gate().rejects(error(accepted), precision) is None
    assert Gate().rejects(error(rejected), precision) is not None


@pytest.mark.parametrize("size", [1e5, 1.0, 1e-3, 1e-5])
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_the_tolerance_is_of_the_output_s_own_size(size: float, precision: str, tmp_path: Path) -> None:
    """Scores over a vocabulary are judged as logits are: an arm that answers zeros never passes."""
    wanted = np.array([size, -size / 2])
    save_outputs(tmp_path / "r.npz", [{"y": wanted}])
    tolerance = TOLERANCES[precision]
    for factor, accepted in ((1 + 0.9 * tolerance, True), (1 + 1.1 * tolerance, False), (0.0, False)):
        found = compare_outputs(tmp_path / "r.npz", [{"y": factor * wanted}])
        assert (Gate().rejects(found, precision) is None) == accepted


def test_an_output_of_zeros_may_have_the_least_rounding(tmp_path: Path) -> None:
    """Below the least size an error is judged as if the output had it: nothing is divided by zero."""
    save_outputs(tmp_path / "r.npz", [{"y": np.zeros(3)}])
    found = compare_outputs(tmp_path / "r.npz", [{"y": np.array([0.0, 0.0, LEAST_SIZE])}])
    assert found.relative_errors == {"y": 1.0}


def test_what_a_hint_does_to_one_output_excuses_nothing_in_another() -> None:
    """An output that is all rounding in the hints sets no bar for the others."""
    hint = OutputError(
        max_abs_error=0.1, max_abs_reference=1.0, finite=True, relative_errors={"z": 100.0, "y": 0.1}
    )
    gate = Gate().accepting([hint])
    assert gate.rejects(error(0.14), "bf16") is None
    assert "output y is 0.16 of its size, accepted is 0.15" in str(gate.rejects(error(0.16), "bf16"))


def test_the_worst_is_taken_in_each_respect() -> None:
    """Of an arm's instances one may be far off, another give NaN, a third another shape: all of it counts."""
    several = [
        error(0.1, differing=0.5),
        error(0.3, 2.0, finite=False),
        OutputError(max_abs_error=0.0, max_abs_reference=0.0, finite=True, mismatch="output y is missing"),
    ]
    for found in (worst_error(several), worst_error(reversed(several))):
        assert (found.max_abs_error, found.max_abs_reference, found.finite) == (0.3, 2.0, False)
        assert (found.relative_errors, found.differing) == ({"y": 0.15}, {"ids": 0.5})
        assert found.mismatch == "output y is missing"
    assert Gate().rejects(worst_error([]), "f32") is None


def test_no_place_for_the_reference_is_a_failure_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no temporary folder can be made the text says what to set."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(EnvironmentFailure, match=r"No such file or directory.*set TMPDIR"):
        reference_folder()


def test_half_as_much_again_as_a_hint_is_accepted() -> None:
    """What OpenVINO's own hints do to the outputs, times 1.5, is the bar where it's above the tolerance."""
    gate = Gate().accepting([error(0.1), error(0.4, 2.0)])
    assert gate.rejects(error(0.29), "f32") is None
    assert "output y is 0.31 of its size, accepted is 0.3" in str(gate.rejects(error(0.31), "f32"))


@settings(deadline=None, derandomize=True)
@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 10), st.sampled_from(["f32", "bf16"]))
def test_a_given_tolerance_is_absolute(tolerance: float, off: float, hint_error: float, precision: str) -> None:
    """The person's own bound replaces both the tolerance of the precision and the hints' error."""
    rejected = Gate(tolerance=tolerance).accepting([error(hint_error)]).rejects(error(off, 1e6), precision)
    assert (rejected is not None) == (off > tolerance)


def checked_arm(workers: Workers, model: Path, **properties: str) -> OutputError:
    """How far an arm with these properties is from the reference of `model`, through real workers."""
    files, path = locate(model), model.parent / "reference.npz"
    reference = Plan(files=files, shapes={}, properties=dict(REFERENCE_PROPERTIES))
    record_reference(workers, reference, Workload(), path)
    plan = Plan(files=files, shapes={}, properties=properties)
    arm = Arm(ArmSpec(plans=(plan,), workload=Workload(), outputs=Checked(str(path))), workers)
    try:
        arm.launch()
        (started,) = arm.await_start()
        assert started.output_error is not None
        return started.output_error
    finally:
        arm.stop()


@pytest.mark.parametrize("grows", [False, True])
def test_a_model_with_state_is_checked_over_several_steps(grows: bool, tmp_path: Path, workers: Workers) -> None:
    """Each sample begins with a reset state, which is carried on: y is one, two, three times x."""
    model = counting_model(tmp_path, grows=grows)
    compiled = compile_plan(Plan(files=locate(model), shapes={}, properties=REFERENCE_PROPERTIES))
    samples = seeded_samples(compiled.info, 0)
    answers = infer_outputs(compiled, samples)
    assert len(answers) == STEPS * len(samples)
    for index, answer in enumerate(answers):
        expected = (index % STEPS + 1) * samples[index // STEPS]["x"]
        assert answer["y"] == pytest.approx(expected, rel=1e-5)
    assert Gate().rejects(checked_arm(workers, model, NUM_STREAMS="2"), "f32") is None


def test_each_block_begins_with_a_reset_state(tmp_path: Path) -> None:
    """What requests of a model with state carried on is gone: one that grows would slow block after block."""
    model = counting_model(tmp_path, grows=True)
    compiled = compile_plan(Plan(files=locate(model), shapes={}, properties=REFERENCE_PROPERTIES, nireq=2))
    requests = create_requests(compiled, seeded_samples(compiled.info, 0))
    for _ in range(3):
        for request in requests.requests:
            request.infer()
    assert [request.query_state()[0].state.shape[0] for request in requests.requests] == [3, 3]
    reset_states(requests)
    requests.requests[0].infer()
    assert requests.requests[0].query_state()[0].state.shape[0] == 1


def test_an_arm_that_amplifies_rounding_is_wrong(tmp_path: Path, workers: Workers) -> None:
    """In f32 it holds on two streams; in bf16, where the CPU can, it's rejected unless the hints do the same."""
    model = chaotic_model(tmp_path)
    assert (
        Gate().rejects(checked_arm(workers, model, INFERENCE_PRECISION_HINT="f32", NUM_STREAMS="2"), "f32") is None
    )
    lossy = checked_arm(workers, model, INFERENCE_PRECISION_HINT="bf16")
    if lossy.max_abs_error == 0.0:
        pytest.skip("this CPU has no bf16")
    assert "largest error of output" in str(Gate().rejects(lossy, "bf16"))
    assert Gate().accepting([lossy]).rejects(lossy, "bf16") is None


def test_a_lossy_arm_cannot_win_a_tuning(tmp_path: Path) -> None:
    """A short tuning of the model that amplifies rounding rejects arms in bf16 and lets those in f32 through."""
    found = tune(chaotic_model(tmp_path), tmp_path / "out", 12, "--tolerance", f"{CHAOS_TOLERANCE:g}")
    if found["arms"][0]["error"]["max_abs_error"] <= CHAOS_TOLERANCE:
        pytest.skip("OpenVINO chooses f32 here by itself")
    assert [what for what, holds in check_chaos(found).items() if not holds] == []


def test_hints_in_bf16_neither_stop_a_study_nor_let_worse_through(tmp_path: Path) -> None:
    """A short tuning of a real recogniser goes on with arms as good as the hints, and with none that is worse."""
    model = real_model_or_skip("rec")
    found = tune_recogniser(model, tmp_path / "out", 25)
    assert [what for what, holds in check_recogniser(found).items() if not holds] == []
