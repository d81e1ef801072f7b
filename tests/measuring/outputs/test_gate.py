"""The output gate: what is accepted, by values and on the real OpenVINO."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from autotp.measuring.jobs.job import REFERENCE_PROPERTIES
from autotp.measuring.jobs.preparation import record_reference
from autotp.measuring.outputs.error import OutputError, compare_outputs, worst_error
from autotp.measuring.outputs.gate import TOLERANCES, Gate
from autotp.measuring.outputs.reference import Outputs as Checked
from autotp.measuring.outputs.reference import save_outputs
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.runtime.compile import Plan, compile_plan
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.inference.requests import STEPS, infer_outputs
from autotp.runtime.models.model_files import locate
from autotp.space.knobs.config import Config
from tests.evidence.check_outputs import CHAOS_TOLERANCE, check_chaos, passed, searched, tune
from tests.support.jobs import job_for
from tests.support.lossy import LOSSY_REQUESTS
from tests.support.models import chaotic_model, counting_model, matmul_model
from tests.support.outputs import error_of

Outputs = list[dict[str, NDArray[Any]]]
SMALL_SPACE = f"name: small\nknobs:\n  nireq: [3, {LOSSY_REQUESTS}]\n"  # both run in a short tuning


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
    assert (Gate(tolerance=1e9).rejection(found, "f32") is None) == finite


def test_the_hints_are_the_measure_of_sizes(tmp_path: Path) -> None:
    """One detection more with a hint accepts two, not three; with a tolerance or if held strictly, none."""
    exact, hint, two, three = ([{"boxes": np.zeros((5 + more, 4))}] for more in (0, 1, 2, 3))
    save_outputs(tmp_path / "r.npz", exact)
    errors = [compare_outputs(tmp_path / "r.npz", answer) for answer in (exact, hint, two, three)]
    gate = Gate().accepting(errors[:2])
    assert [gate.rejection(error, "f32") is None for error in errors] == [True, True, True, False]
    assert [Gate().rejection(error, "f32") is None for error in errors] == [True, False, False, False]
    assert gate.rejection(errors[1], "f32", strict=True) is not None
    assert Gate(tolerance=1e9).accepting(errors[:2]).rejection(errors[1], "f32") is not None
    assert set(gate.unchecked) == {"boxes"}
    assert Gate().accepting(errors[:1]).unchecked == {}


def test_where_a_hint_has_another_size_values_have_no_counterparts(tmp_path: Path) -> None:
    """With as many detections as the reference, but others, an arm isn't worse than such a hint."""
    save_outputs(tmp_path / "r.npz", [{"places": np.arange(5)}])
    fewer, others = (compare_outputs(tmp_path / "r.npz", [{"places": np.arange(n, 9)}]) for n in (5, 4))
    assert Gate().rejection(others, "bf16") is not None
    assert Gate().accepting([fewer]).rejection(others, "bf16") is None


def test_the_hints_are_the_measure_of_infinities(tmp_path: Path) -> None:
    """If a hint overflows in one of ten values, an arm may as well, but not in two."""
    answers = [np.where(np.arange(10) < overflown, np.inf, 2.0) for overflown in range(3)]
    save_outputs(tmp_path / "r.npz", [{"y": answers[0]}])
    none, hint, more = (compare_outputs(tmp_path / "r.npz", [{"y": answer}]) for answer in answers)
    gate = Gate().accepting([none, hint])
    assert [gate.rejection(error, "f32") is None for error in (none, hint, more)] == [True, True, False]
    assert Gate().rejection(hint, "f32") is not None
    assert gate.rejection(hint, "f32", strict=True) is not None


def test_an_output_without_a_number_is_never_passed(tmp_path: Path) -> None:
    """With only NaN in the reference nothing can be judged, which is said; one sample with numbers will do."""
    nothing, some = np.full(3, np.nan, np.float32), np.zeros(3, np.float32)
    for second, judged in ((nothing, False), (some, True)):
        both: Outputs = [{"y": nothing}, {"y": second}]
        save_outputs(tmp_path / "r.npz", both)
        reason = Gate(tolerance=1e9).rejection(compare_outputs(tmp_path / "r.npz", both), "f32")
        assert (reason is None) == judged
        assert judged or "output y can't be judged" in str(reason)


def test_another_class_is_wrong_however_close_its_number(tmp_path: Path) -> None:
    """Token 29999 in place of 30000 is another token; a hint that turns half of them sets the bar at 1.5 times."""
    save_outputs(tmp_path / "r.npz", [{"ids": np.array([30000, 7, 8, 9], np.int64)}])
    found = compare_outputs(tmp_path / "r.npz", [{"ids": np.array([29999, 7, 8, 9], np.int64)}])
    assert found.differing == {"ids": 0.25}
    assert "25.00% of the whole numbers of output ids differ" in str(Gate().rejection(found, "f32"))
    assert Gate().accepting([error_of(0.0, differing=0.2)]).rejection(found, "f32") is None
    assert Gate().accepting([error_of(0.0, differing=0.1)]).rejection(found, "f32") is not None


def test_where_it_is_strict_no_hint_excuses_another_token() -> None:
    """What a lossy config says must be what the reference says, also where hints don't, or with a tolerance."""
    off = error_of(0.0, differing=0.25)
    lenient = Gate().accepting([error_of(0.0, differing=0.5)])
    assert lenient.rejection(off, "f32") is None
    assert "25.00% of the whole numbers" in str(lenient.rejection(off, "f32", strict=True))
    assert Gate(tolerance=1.0).rejection(off, "f32") is None
    assert Gate(tolerance=1.0).rejection(off, "f32", strict=True) is not None
    assert lenient.rejection(error_of(0.0), "f32", strict=True) is None


def test_what_another_output_decides_is_judged_where_it_is_strict_alone() -> None:
    """A more exact config may say the other of two likely tokens; a less exact one may not."""
    off = msgspec.structs.replace(error_of(0.0), derived={"tokens": 0.25})
    assert Gate().rejection(off, "f32") is None
    assert "25.00% of the whole numbers of output tokens" in str(Gate().rejection(off, "f32", strict=True))
    assert worst_error([error_of(0.0), off]).derived == {"tokens": 0.25}


def test_a_large_output_excuses_nothing_in_a_small_one(tmp_path: Path) -> None:
    """An error of 0.5 is a trifle in logits of 20000 and wrong in scores below 1."""
    save_outputs(tmp_path / "r.npz", [{"logits": np.array([2e4]), "scores": np.array([0.5])}])
    far = compare_outputs(tmp_path / "r.npz", [{"logits": np.array([2e4 + 0.5]), "scores": np.array([0.5])}])
    wrong = compare_outputs(tmp_path / "r.npz", [{"logits": np.array([2e4]), "scores": np.array([0.0])}])
    assert far.max_abs_error == wrong.max_abs_error == 0.5
    assert Gate().rejection(far, "f32") is None
    assert Gate().rejection(wrong, "bf16") is not None
    assert Gate(tolerance=0.1).rejection(far, "f32") is not None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([{"y": np.zeros((2, 3))}], "the shape of output y is off by 1, accepted is 0"),
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
    assert Gate(tolerance=1e9).accepting([error_of(1e9)]).rejection(found, "f32") == words


def test_an_empty_output_equals_itself(tmp_path: Path) -> None:
    """Nothing was found: no boxes, no classes."""
    nothing: Outputs = [{"boxes": np.zeros((0, 4), np.float32), "classes": np.zeros(0, np.int64)}]
    save_outputs(tmp_path / "r.npz", nothing)
    assert Gate().rejection(compare_outputs(tmp_path / "r.npz", nothing), "f32") is None


def test_what_nobody_compared_is_accepted() -> None:
    """No error is none."""
    assert Gate().rejection(worst_error([]), "f32") is None


def test_nan_is_rejected_whatever_the_tolerance() -> None:
    """No tolerance admits NaN or Inf."""
    assert "NaN" in str(
        Gate(tolerance=1e9).accepting([error_of(1e9)]).rejection(error_of(0.0, finite=False), "f32")
    )


@pytest.mark.parametrize(
    ("precision", "accepted", "rejected"),
    [("f32", 9e-5, 2e-4), (None, 9e-5, 2e-4), ("f16", 9e-3, 2e-2), ("bf16", 3e-2, 5e-2), ("u4", 9e-5, 2e-4)],
)
def test_each_precision_has_its_tolerance(precision: str | None, accepted: float, rejected: float) -> None:
    """Without hint error the bound is that of the inference precision, f32's where it's another."""
    assert Gate().rejection(error_of(accepted), precision) is None
    assert Gate().rejection(error_of(rejected), precision) is not None


@pytest.mark.parametrize("size", [1e5, 1.0, 1e-3, 1e-5])
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_the_tolerance_is_of_the_output_s_own_size(size: float, precision: str, tmp_path: Path) -> None:
    """Scores over a vocabulary are judged as logits are: an arm that answers zeros never passes."""
    wanted = np.array([size, -size / 2])
    save_outputs(tmp_path / "r.npz", [{"y": wanted}])
    tolerance = TOLERANCES[precision]
    for factor, accepted in ((1 + 0.9 * tolerance, True), (1 + 1.1 * tolerance, False), (0.0, False)):
        found = compare_outputs(tmp_path / "r.npz", [{"y": factor * wanted}])
        assert (Gate().rejection(found, precision) is None) == accepted


def test_what_a_hint_does_to_one_output_excuses_nothing_in_another() -> None:
    """An output that is all rounding in the hints sets no bar for the others."""
    hint = OutputError(
        max_abs_error=0.1, max_abs_reference=1.0, finite=True, relative_errors={"z": 100.0, "y": 0.1}
    )
    gate = Gate().accepting([hint])
    assert gate.rejection(error_of(0.14), "bf16") is None
    assert "output y is 0.16 of its size, accepted is 0.15" in str(gate.rejection(error_of(0.16), "bf16"))


def test_half_as_much_again_as_a_hint_is_accepted() -> None:
    """What OpenVINO's own hints do to the outputs, times 1.5, is the bar where it's above the tolerance."""
    gate = Gate().accepting([error_of(0.1), error_of(0.4, 2.0)])
    assert gate.rejection(error_of(0.29), "f32") is None
    assert "output y is 0.31 of its size, accepted is 0.3" in str(gate.rejection(error_of(0.31), "f32"))


@settings(deadline=None, derandomize=True)
@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 10), st.sampled_from(["f32", "bf16"]))
def test_a_given_tolerance_is_absolute(tolerance: float, off: float, hint_error: float, precision: str) -> None:
    """The user's own bound replaces both the tolerance of the precision and the hints' error."""
    rejected = Gate(tolerance=tolerance).accepting([error_of(hint_error)]).rejection(error_of(off, 1e6), precision)
    assert (rejected is not None) == (off > tolerance)


def checked_arm(workers: Workers, model: Path, **settings: object) -> OutputError:
    """How far an arm with these knobs is from the reference of `model`, through real workers."""
    job, path = job_for(model), str(model.parent / "reference.npz")
    record_reference(workers, job.reference(path))
    arm = WorkerArm(msgspec.structs.replace(job.spec(Config.of(settings)), outputs=Checked(path)), workers)
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
    assert Gate().rejection(checked_arm(workers, model, num_streams=2), "f32") is None


def test_an_arm_that_amplifies_rounding_is_wrong(tmp_path: Path, workers: Workers) -> None:
    """In f32 it holds on two streams; in bf16, where the CPU can, it's rejected unless the hints do the same."""
    model = chaotic_model(tmp_path)
    assert (
        Gate().rejection(checked_arm(workers, model, inference_precision_hint="f32", num_streams=2), "f32") is None
    )
    lossy = checked_arm(workers, model, inference_precision_hint="bf16")
    if lossy.max_abs_error == 0.0:
        pytest.skip("this CPU has no bf16")
    assert "largest error of output" in str(Gate().rejection(lossy, "bf16"))
    assert Gate().accepting([lossy]).rejection(lossy, "bf16") is None


def test_a_lossy_arm_cannot_win_a_tuning(tmp_path: Path) -> None:
    """A short tuning of the model that amplifies rounding rejects arms in bf16 and lets those in f32 through."""
    found = tune(chaotic_model(tmp_path), tmp_path / "out", 8, "--tolerance", f"{CHAOS_TOLERANCE:g}")
    if found["arms"][0]["error"]["max_abs_error"] <= CHAOS_TOLERANCE:
        pytest.skip("OpenVINO chooses f32 here by itself")
    assert [what for what, holds in check_chaos(found).items() if not holds] == []


def test_an_arm_that_is_worse_than_the_hints_is_rejected_and_no_other(tmp_path: Path) -> None:
    """In a short tuning whose arms with one number of requests were made worse."""
    space = tmp_path / "space.yaml"
    space.write_text(SMALL_SPACE)
    found = searched(tune(matmul_model(tmp_path), tmp_path / "out", 4, "--space", str(space)))
    rejected = [arm for arm in found if arm["status"] == "WRONG_OUTPUT"]
    assert {arm["config"]["nireq"] for arm in rejected} == {LOSSY_REQUESTS}
    assert {arm["config"]["nireq"] for arm in passed(found)} == {3}
