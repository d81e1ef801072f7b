"""What a worker is asked before anything is measured: what the model is, its reference, what is left open."""

from pathlib import Path

import msgspec
import numpy as np
import openvino as ov
import pytest

from autotp.errors import ModelError
from autotp.findings.metric import Samples
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.jobs.preparation import choose_open_fields, inspect, profile, record_reference
from autotp.measuring.outputs.reference import Outputs
from autotp.measuring.parent.pool import Workers
from autotp.measuring.rounds.arm import ArmSpec
from autotp.measuring.rounds.worker_arm import WorkerArm
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.options import Spelling, spelled_for
from autotp.runtime.compile import Plan
from autotp.runtime.inference.inputs import SEEDED_SAMPLES
from autotp.runtime.models.model_files import ModelFiles, ModelKind, locate
from autotp.runtime.models.read import ModelInfo, Port
from autotp.space.knobs.config import Config
from autotp.space.knobs.graph_split import FullyConnected
from autotp.tuning.stages.ceiling import MULTIPLYING
from tests.support.fully_connected import Form, build
from tests.support.jobs import job_for
from tests.support.language_models import language_model
from tests.support.models import WIDTH, branching_model, dynamic_model, matmul_model
from tests.support.odd_outputs import NEVER, places_model, random_model


def test_a_model_is_inspected_in_a_process_of_its_own(tmp_path: Path, workers: Workers) -> None:
    """Ports come back as they are, and what the user can mend is a ModelError with the caller's option names."""
    port = ("f32", (1, WIDTH))
    layer = FullyConnected(WIDTH * WIDTH, WIDTH)
    files, dynamic = locate(matmul_model(tmp_path)), locate(dynamic_model(tmp_path))
    assert inspect(workers, files, {}) == ModelInfo((Port("x", *port),), (Port("y", *port),), (layer,))
    with pytest.raises(ModelError, match=r"shapes={'x'"):
        inspect(workers, dynamic, {})
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(ModelError, match="--shape 'x="):
        inspect(workers, dynamic, {})


def test_outputs_are_checked_against_the_recorded_reference(tmp_path: Path, workers: Workers) -> None:
    """An arm of the same model is within a rounding of the reference, one of another model isn't."""
    exact = Config.of({"inference_precision_hint": "f32", "num_streams": 2})
    job, path = job_for(matmul_model(tmp_path)), str(tmp_path / "reference.npz")
    record_reference(workers, job.reference(path))
    other = msgspec.structs.replace(job, files=locate(matmul_model(tmp_path, "other", seed=1)))
    for checked, close in ((job, True), (other, False)):
        spec = msgspec.structs.replace(checked.spec(exact), outputs=Outputs(path))
        arm = WorkerArm(spec, workers)
        arm.launch()
        (started,) = arm.await_start()
        arm.stop()
        assert started.output_error is not None
        assert started.output_error.finite
        assert (started.output_error.max_abs_error < 1e-5) == close


def test_a_reference_that_does_not_repeat_itself_is_not_compared(tmp_path: Path, workers: Workers) -> None:
    """Outputs that are drawn at random or empty are named with the reason; the others are compared."""
    exact = Config.of({"inference_precision_hint": "f32"})
    for model, unchecked, compared in (
        (random_model(tmp_path), {"drawn": "differs from run to run"}, ("steady",)),
        (places_model(tmp_path, "nowhere", threshold=NEVER), {"places": "is empty for these inputs"}, ()),
        (places_model(tmp_path), {}, ("places",)),
    ):
        job, path = job_for(model), str(tmp_path / "reference.npz")
        record_reference(workers, job.reference(path))
        arm = WorkerArm(msgspec.structs.replace(job.spec(exact), outputs=Outputs(path)), workers)
        arm.launch()
        (started,) = arm.await_start()
        arm.stop()
        error = started.output_error
        assert error is not None
        assert (error.unchecked, error.compared, error.mismatch) == (unchecked, compared, None)


def test_a_profile_says_where_the_time_goes(tmp_path: Path, workers: Workers) -> None:
    """One layer's product takes most of its inference; a language model is profiled by prompts or by tokens."""
    exact = Config.of({"inference_precision_hint": "f32"})
    job = job_for(matmul_model(tmp_path, width=512))
    profiled = profile(workers, job.spec(exact), Samples.LATENCIES, 1 << 26)
    assert max(profiled.layer_s, key=profiled.layer_s.__getitem__) == "FullyConnected"
    assert profiled.read_s is not None
    generating = job_for(language_model(tmp_path), prompt_tokens=64, new_tokens=4)
    for samples in (Samples.FIRST_TOKENS, Samples.SECOND_TOKENS):
        profiled = profile(workers, generating.spec(exact), samples, 0)
        assert profiled.layer_s["FullyConnected"] > 0.0
        assert profiled.read_s is None


def test_layers_with_compressed_weights_are_fully_connected_ones(tmp_path: Path, workers: Workers) -> None:
    """OpenVINO has names of its own for them, which begin alike."""
    model, _ = build(Form("u8", channels=512, inputs=512, groups=4))
    ov.save_model(model, tmp_path / "compressed.xml")
    job = job_for(tmp_path / "compressed.xml")
    profiled = profile(workers, job.spec(Config()), Samples.LATENCIES, 0)
    assert sum(taken_s for name, taken_s in profiled.layer_s.items() if name.startswith(MULTIPLYING)) > 0.0


def test_a_reference_that_cannot_be_run_is_a_failure(tmp_path: Path, workers: Workers) -> None:
    """Nothing is written where the reference's config is refused."""
    plan = Plan(files=locate(matmul_model(tmp_path)), shapes={}, properties={"FOO": "1"})
    path = tmp_path / "reference.npz"
    with pytest.raises(ArmFailure, match="FOO"):
        record_reference(
            workers, ArmSpec(plans=(plan,), workload=ClosedLoop(), outputs=Outputs(str(path), save=True))
        )
    assert not path.exists()


def test_a_prompt_is_chosen_by_running_the_hint(tmp_path: Path, workers: Workers) -> None:
    """Of lengths that fit into the context; nothing else of the job changes."""
    job = job_for(language_model(tmp_path, context=192), "tokens_per_s", new_tokens=64, seed=5)
    chosen = msgspec.structs.replace(job.workload, prompt_tokens=128)
    assert choose_open_fields(workers, job) == msgspec.structs.replace(job, workload=chosen)


def test_what_is_known_is_not_chosen(tmp_path: Path, workers: Workers) -> None:
    """A length that was asked for stays, and so does what a study found out earlier; nothing is started."""
    asked = job_for(language_model(tmp_path), prompt_tokens=77)
    found = job_for(matmul_model(tmp_path))
    found = msgspec.structs.replace(found, workload=ClosedLoop(data_dependent=False, sample_count=8))
    for job, kind in ((asked, ModelKind.LLM), (found, ModelKind.IR)):
        gone = msgspec.structs.replace(job, files=ModelFiles(Path("gone.xml"), kind))
        assert choose_open_fields(workers, gone) is gone


@pytest.mark.parametrize("rate_per_s", [None, 100.0], ids=["closed", "open"])
def test_a_branch_on_the_input_is_found_out(tmp_path: Path, workers: Workers, rate_per_s: float | None) -> None:
    """Both sides are among the samples from the seed, and one takes a hundred times as long as the other."""
    job = job_for(branching_model(tmp_path, width=1024, layers=16), rate_per_s=rate_per_s)
    workload = choose_open_fields(workers, job).workload
    assert isinstance(workload, ClosedLoop)
    assert (workload.data_dependent, workload.sample_count) == (True, SEEDED_SAMPLES)


def test_a_single_sample_is_no_question(tmp_path: Path, workers: Workers) -> None:
    """Nothing can depend on which sample runs."""
    np.savez(tmp_path / "one.npz", x=np.zeros((1, WIDTH), np.float32))
    workload = choose_open_fields(workers, job_for(matmul_model(tmp_path), data=tmp_path / "one.npz")).workload
    assert isinstance(workload, ClosedLoop)
    assert (workload.data_dependent, workload.sample_count) == (False, 1)


def test_a_model_that_no_hint_can_run_is_bad_input(tmp_path: Path, workers: Workers) -> None:
    """As where it is read: the model is to blame."""
    job = job_for(language_model(tmp_path))
    job.files.path.write_text('<net name="beam_idx" type="ReadValue"/>')
    with pytest.raises(ModelError, match="OpenVINO's own hints failed here"):
        choose_open_fields(workers, job)


def test_without_a_hint_blocks_are_passes(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other settings may run, and passes are right for any model."""
    job = job_for(matmul_model(tmp_path))
    monkeypatch.setattr(WorkerArm, "await_start", out_of_memory)
    monkeypatch.setattr(WorkerArm, "launch", lambda arm, beside=0: None)
    workload = choose_open_fields(workers, job).workload
    assert isinstance(workload, ClosedLoop)
    assert workload.data_dependent


def out_of_memory(arm: WorkerArm) -> None:
    """Fail as where memory doesn't suffice."""
    raise ArmFailure(Status.OUT_OF_MEMORY, Phase.COMPILE, "the worker ended with signal SIGKILL")
