"""What a comparison takes from its sides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from autotp.deploy.tuned import TunedWorkload, write_tuned
from autotp.errors import InputError, SpaceError
from autotp.findings.loop import Loop
from autotp.findings.metric import METRICS, Samples
from autotp.measuring.compare.sides import (
    Side,
    contender,
    model_of,
    objective_of,
    options_of,
    read_settings,
    read_side,
    shapes_of,
)
from autotp.measuring.jobs.job import Job
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.open_loop import OpenLoop
from autotp.measuring.workload.registry import AnyWorkload, workload_for
from autotp.measuring.workload.workload import Wanted
from autotp.options import Spelling, spelled_for
from autotp.runtime.models.language import Attention
from autotp.runtime.models.model_files import ModelFiles, ModelKind, locate
from autotp.space.knobs.config import Config
from tests.support.jobs import job_for
from tests.support.language_models import language_model
from tests.support.models import matmul_model
from tests.support.tuned_files import content, here, profile
from tests.support.tuned_files import tuned as tuned_file

FILES = ModelFiles(Path("m.xml"), ModelKind.IR)
HINT, RATE = read_side("hint:none"), 40.0


def tuned(config: Mapping[str, Any] = {}, kind: Loop = Loop.ASYNC, **workload: Any) -> Side:
    """A side whose file ships `config` and was tuned with `workload`."""
    known = TunedWorkload(kind=kind, **{"nireq": 2, **workload})
    file = tuned_file(profile(dict(config)), workload=known)
    return Side(text="tuned.yaml", config=Config.of(config), tuned=file)


def generating(config: Mapping[str, Any] = {}, **tokens: Any) -> Side:
    """A side that was tuned for generations of 64 and 32 tokens, unless `tokens` say otherwise."""
    known = {"nireq": 1, "prompt_tokens": 64, "new_tokens": 32, "batch": 1, **tokens}
    return tuned(config, Loop.GENERATE, **known)


def driven(*sides: Side, files: ModelFiles = FILES, objective: str = "latency_p90", **given: Any) -> AnyWorkload:
    """The workload of a comparison of `sides`."""
    metric = METRICS[objective]
    return workload_for(files, Wanted((metric,), (), 60.0), options_of(sides, given, metric))


def test_a_side_is_a_hint_knobs_or_a_tuned_file(tmp_path: Path) -> None:
    """Whatever the letters of a hint; knobs stand in a file, on the command line, or in a mapping."""
    (tmp_path / "knobs.yaml").write_text("num_streams: 4\nnireq: 8\n")
    write_tuned(tmp_path / "tuned.yaml", tuned_file(profile({"num_streams": 2})), "A test.")
    assert read_side("hint:THROUGHPUT").config == Config.of({"performance_hint": "throughput"})
    knobs = Config.of({"num_streams": 4, "nireq": 8})
    written: tuple[str | Path | Mapping[str, int], ...] = (
        "num_streams=4,nireq=8",
        tmp_path / "knobs.yaml",
        {"nireq": 8, "num_streams": 4},
    )
    assert [(side.config, side.tuned) for side in map(read_side, written)] == [(knobs, None)] * 3
    side = read_side(tmp_path / "tuned.yaml")
    assert (side.config, side.text) == (Config.of({"num_streams": 2}), str(tmp_path / "tuned.yaml"))
    assert side.tuned is not None


@pytest.mark.parametrize("text", ["nowhere.yaml", "hint:fast", "num_streams=many", "speed=9"])
def test_what_is_no_side_is_bad_input(text: str) -> None:
    """One sentence says why."""
    with pytest.raises(InputError):
        read_side(text)


def test_settings_are_those_of_a_tuned_file_too(tmp_path: Path) -> None:
    """A user's own baseline may come from one; a file that holds no knobs is an error."""
    path = tmp_path / "file.yaml"
    write_tuned(path, tuned_file(profile({"num_streams": 2})), "A test.")
    assert read_settings(str(path)) == Config.of({"num_streams": 2})
    path.write_text("{}")
    with pytest.raises(InputError, match="holds no knobs"):
        read_settings(str(path))


def test_a_tuned_file_brings_its_model(tmp_path: Path) -> None:
    """From beside it, unless another one is given; two files have to be of the same."""
    model = matmul_model(tmp_path)
    write_tuned(tmp_path / "tuned.yaml", content(model, here()), "A test.")
    side = read_side(tmp_path / "tuned.yaml")
    assert model_of((HINT, side), None).path == model
    other = matmul_model(tmp_path, "other")
    assert model_of((side, HINT), other).path == other
    with pytest.raises(InputError, match="of different models"):
        model_of((side, tuned()), other)
    with pytest.raises(InputError, match=r"give the model to compare them on with model\."):
        model_of((HINT, HINT), None)
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(InputError, match=r"with --model\."):
        model_of((HINT, HINT), None)


def shaped(**shapes: tuple[int, ...]) -> Side:
    """A side that was tuned for these shapes."""
    file = tuned_file()
    model = type(file.model)(path="m.xml", kind=ModelKind.IR, graph_sha256="0", weights_bytes=0, shapes=shapes)
    return Side(text="tuned.yaml", config=Config(), tuned=tuned_file(model=model))


def test_a_tuned_file_brings_its_shapes() -> None:
    """What is given goes before; where two files differ, it has to be."""
    one, other = shaped(x=(1, 3)), shaped(x=(2, 3))
    assert shapes_of((HINT, one), {}) == shapes_of((one, one), {}) == {"x": (1, 3)}
    assert shapes_of((one, other), {"x": (4, 3)}) == {"x": (4, 3)}
    assert shapes_of((HINT, HINT), {}) == {}
    with pytest.raises(InputError, match=r"different shapes: .* with shapes\."):
        shapes_of((one, other), {})
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(InputError, match=r"with --shape\."):
        shapes_of((one, other), {})


def test_a_tuned_file_brings_its_objective() -> None:
    """What is given goes before; without a file it's the usual one of such a model."""
    side, language = tuned(), ModelFiles(Path("llm.xml"), ModelKind.LLM)
    assert objective_of((HINT, side), None, FILES, {}) is METRICS["throughput"]
    assert objective_of((HINT, side), "latency_p50", FILES, {}) is METRICS["latency_p50"]
    assert objective_of((HINT, HINT), None, FILES, {}) is METRICS["throughput"]
    assert objective_of((HINT, HINT), None, language, {}) is METRICS["second_token_latency"]
    assert objective_of((HINT, HINT), None, FILES, {"rate_per_s": RATE}) is METRICS["latency_p99"]
    with pytest.raises(InputError, match="no objective 'tokens_per_s'"):
        objective_of((HINT, side), "tokens_per_s", FILES, {})


def test_a_tuned_file_brings_its_seed_and_its_rate() -> None:
    """What the caller says goes before, also a seed of 0; None says nothing."""
    side = tuned(seed=7, rate_per_s=RATE)
    assert driven(HINT, side) == driven(HINT, side, rate_per_s=None) == OpenLoop(seed=7, rate_per_s=RATE)
    assert driven(HINT, side, seed=0, rate_per_s=50.0) == OpenLoop(seed=0, rate_per_s=50.0)
    assert driven(HINT, HINT) == ClosedLoop()


def test_the_first_of_two_seeds_is_taken() -> None:
    """Files that were tuned with different ones can be compared with either."""
    assert driven(tuned(seed=7), tuned(seed=8)) == ClosedLoop(seed=7)


def test_throughput_takes_no_rate_of_a_file() -> None:
    """Nobody asked for one, so nothing is refused: both are driven flat out."""
    assert driven(tuned(rate_per_s=RATE, seed=0), HINT, objective="throughput") == ClosedLoop()


@pytest.mark.parametrize(("config", "batch"), [({"batch": 4}, 1), ({"num_streams": 1}, 4)], ids=["knob", "asked"])
def test_a_tuned_file_brings_its_tokens(tmp_path: Path, config: dict[str, Any], batch: int) -> None:
    """Both sides are asked what the tuning was; a batch that its config sets is that side's alone."""
    side, files = generating(config, batch=4), locate(language_model(tmp_path))
    workload = driven(HINT, side, files=files, objective="tokens_per_s", new_tokens=16)
    further = (Samples.SECOND_TOKENS,)
    assert workload == Generation(prompt_tokens=64, new_tokens=16, batch=batch, timed=further)
    job = Job(files=files, workload=workload, topology=job_for(files.path).topology)
    found = [contender(one, job)[0] for one in (HINT, side)]
    specs = [job.spec_from_plans(one.plans, one.config) for one in found]
    assert [spec.workload.facts()["batch"] for spec in specs] == [batch, 4]


def test_a_file_for_paged_attention_is_compared_in_pages(tmp_path: Path) -> None:
    """Both sides keep their context as the file's deployment does."""
    files, side = locate(language_model(tmp_path)), generating(attention_backend=Attention.PA)
    workload = driven(side, HINT, files=files, objective="tokens_per_s")
    job = Job(files=files, workload=workload, topology=job_for(files.path).topology)
    plans = [plan for one in (side, HINT) for plan in contender(one, job)[0].plans]
    assert {plan.attention for plan in plans} == {Attention.PA}


def test_two_lengths_of_prompts_want_a_third(tmp_path: Path) -> None:
    """Files tuned for other tokens are compared at those that the user names."""
    sides, files = [generating(prompt_tokens=tokens) for tokens in (64, 128)], locate(language_model(tmp_path))
    with pytest.raises(InputError, match=r"differ in their prompt tokens: .* with prompt_tokens\."):
        driven(*sides, files=files, objective="tokens_per_s")
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(InputError, match=r"with --prompt-tokens\."):
        driven(*sides, files=files, objective="tokens_per_s")
    named = driven(*sides, files=files, objective="tokens_per_s", prompt_tokens=96)
    assert named == Generation(prompt_tokens=96, new_tokens=32, batch=1, timed=(Samples.SECOND_TOKENS,))


def test_two_rates_want_a_third() -> None:
    """Files tuned at different rates are compared at one that the user names."""
    sides = tuned(rate_per_s=RATE, seed=0), tuned(rate_per_s=2 * RATE, seed=0)
    with pytest.raises(InputError, match=r"differ in their rate: .* with rate_per_s\."):
        driven(*sides)
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(InputError, match=r"with --rate\."):
        driven(*sides)
    assert driven(*sides, rate_per_s=50.0) == OpenLoop(rate_per_s=50.0)


def test_a_setting_that_means_nothing_to_the_model_is_refused(tmp_path: Path) -> None:
    """Rather than shown in a table as if it had been measured."""
    with pytest.raises(SpaceError, match="batch=8: only a language model has it"):
        contender(read_side("batch=8"), job_for(matmul_model(tmp_path), "throughput"))


def test_a_tuned_file_runs_as_it_would_be_loaded(tmp_path: Path) -> None:
    """With its own requests in flight; knobs have those of the objective."""
    model = matmul_model(tmp_path)
    write_tuned(tmp_path / "tuned.yaml", content(model, here({"num_streams": 1}), nireq=3), "A test.")
    job = job_for(model, "latency_p50")
    file, file_warnings = contender(read_side(tmp_path / "tuned.yaml"), job)
    knobs, knob_warnings = contender(read_side("num_streams=1"), job)
    assert (file.config, file_warnings) == (knobs.config, knob_warnings) == (Config.of({"num_streams": 1}), ())
    assert [side.plans[0].nireq for side in (file, knobs)] == [3, 1]
    assert [side.plans[0].properties for side in (file, knobs)] == [{"NUM_STREAMS": "1"}] * 2


def test_a_file_for_another_machine_is_warned_of(tmp_path: Path) -> None:
    """It is compared all the same."""
    model = matmul_model(tmp_path)
    write_tuned(tmp_path / "tuned.yaml", content(model, profile({"num_streams": 1})), "A test.")
    found, (warning,) = contender(read_side(tmp_path / "tuned.yaml"), job_for(model, "throughput"))
    assert warning.endswith("it is compared all the same")
    assert found.plans[0].properties == {"NUM_STREAMS": "1"}


def test_inputs_that_only_have_a_name_are_warned_of(tmp_path: Path) -> None:
    """A tuned file names the file that its inputs came from; unless it is given others are compared."""
    model, side = matmul_model(tmp_path), tuned(inputs="real.npz")
    data = tmp_path / "other.npz"
    data.write_bytes(b"")

    def warnings(**options: Any) -> list[str]:
        found = contender(side, job_for(model, "latency_p90", **options))[1]
        return [warning for warning in found if "inputs" in warning]

    (warning,) = warnings()
    assert "tuned on the inputs of real.npz" in warning
    assert warning.endswith("give data")
    assert warnings(data=data) == []
