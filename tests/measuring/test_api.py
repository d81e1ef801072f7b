"""`autotp.measure` and `autotp.compare` from Python, on a real small model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autotp
from autotp.deploy.tuned import write_tuned
from autotp.errors import EnvironmentFailure, InputError, ModelError, SpaceError
from autotp.findings.metric import METRICS
from autotp.findings.ruling import Ruling
from autotp.measuring import api
from autotp.measuring.compare.comparison import Contender
from autotp.measuring.jobs.job import Job
from autotp.measuring.lock import Holder, machine_lock
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.open_loop import OpenLoop
from autotp.options import Spelling, spelled_for
from tests.support.language_models import language_model
from tests.support.models import WIDTH, dynamic_model, matmul_model
from tests.support.tuned_files import content, here


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def test_measure_has_the_figures_of_the_knobs(model: Path) -> None:
    """Metrics by key, what OpenVINO made of the knobs, and how the model was driven."""
    found = autotp.measure(model, settings={"num_streams": 1, "nireq": 3}, budget_s=0.1, seed=4)
    assert found.metrics.keys() >= {"throughput_per_s", "latency_p50_s", "latency_p99_s", "memory_bytes"}
    assert found.plain().keys() >= {metric.key for metric in METRICS.values()}
    assert (found.effective.streams, found.nireq) == (1, 3)
    assert (type(found.workload), found.workload.seed) == (ClosedLoop, 4)
    assert found.proof is None


def test_measure_takes_a_rate_and_a_path_as_text(model: Path) -> None:
    """Arrivals a second."""
    found = autotp.measure(str(model), rate_per_s=300.0, budget_s=0.3)
    assert isinstance(found.workload, OpenLoop)
    assert (found.workload.rate_per_s, found.workload.open_fields) == (300.0, ())


def test_measure_chooses_a_prompt_for_a_language_model(tmp_path: Path) -> None:
    """The longest that its context holds; the batch may be a knob, which the choice is made with."""
    folder = language_model(tmp_path, context=140)
    found = autotp.measure(folder, settings={"batch": 2}, new_tokens=8, budget_s=0.01)
    assert found.workload == Generation(prompt_tokens=128, new_tokens=8, batch=2)
    assert {"first_token_latency_s", "second_token_latency_s", "tokens_per_s"} <= found.metrics.keys()


def test_a_dynamic_model_is_given_its_shape(tmp_path: Path) -> None:
    """As a mapping of sequences; without it the error shows the argument."""
    dynamic = dynamic_model(tmp_path)
    assert autotp.measure(dynamic, shapes={"x": [2, WIDTH]}, budget_s=0.001).blocks == 1
    with pytest.raises(ModelError, match=r"shapes={'x': "):
        autotp.measure(dynamic, budget_s=0.001)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": -1}, "^seed must be from 0 to"),
        ({"seed": 2**32}, "^seed must be from 0 to"),
        ({"budget_s": 0.0}, "^budget_s must be more than 0"),
        ({"budget_s": float("nan")}, "^budget_s must be more than 0"),
        ({"budget_s": float("inf")}, "^budget_s must be more than 0"),
    ],
)
def test_a_seed_and_a_budget_have_the_same_bounds_everywhere(
    options: dict[str, Any], words: str, model: Path, tmp_path: Path
) -> None:
    """Whichever function they are passed to."""
    with pytest.raises(InputError, match=words):
        autotp.measure(model, **options)
    with pytest.raises(InputError, match=words):
        autotp.compare({"num_streams": 1}, "hint:none", model=model, **options)
    with pytest.raises(InputError, match=words):
        autotp.tune(model, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_inputs_that_do_not_fit_the_model_are_bad_input(model: Path, tmp_path: Path) -> None:
    """The same sentence from each function, before an arm starts."""
    np.savez(tmp_path / "odd.npz", x=np.zeros((1, WIDTH + 1), np.float32))
    raised = []
    for call in (
        lambda: autotp.measure(model, data=tmp_path / "odd.npz"),
        lambda: autotp.compare({"num_streams": 1}, "hint:none", model=model, data=tmp_path / "odd.npz"),
        lambda: autotp.tune(model, data=tmp_path / "odd.npz", out=tmp_path / "out"),
    ):
        with pytest.raises(ModelError, match=r"odd\.npz") as error:
            call()
        raised.append(str(error.value))
    assert len(set(raised)) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("function", [autotp.measure, autotp.compare])
def test_an_unknown_option_is_a_type_error(function: Any, model: Path) -> None:
    """As of any Python function; nothing is started."""
    arguments = (model,) if function is autotp.measure else ({"num_streams": 1}, "hint:none")
    with pytest.raises(TypeError, match=rf"^{function.__name__}\(\) got an unexpected keyword argument 'rate'$"):
        function(*arguments, rate=5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate_per_s": 0.0}, "^rate_per_s must be more than 0"),
        ({"data": "gone.npz"}, "^data: there is no file"),
        ({"new_tokens": 4}, "^new_tokens is for a language model"),
        ({"settings": {"batch": 8}}, "^batch=8: only a language model has it"),
        ({"settings": {"speed": 8}}, "speed"),
        ({"settings": {"distribution_policy": "tensor_parallel", "split_count": 99}}, "socket"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(
    options: dict[str, Any], words: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence, with the option as it was passed."""
    monkeypatch.setattr(api, "Workers", lambda: pytest.fail("a process was started"))
    with pytest.raises(InputError, match=words):
        autotp.measure(model, **options)


def test_the_command_line_reads_of_flags(model: Path) -> None:
    """The same error, spelled for who typed it."""
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(InputError, match=r"^--rate must be more than 0"):
        autotp.measure(model, rate_per_s=0.0)


def test_compare_is_of_two_sides_on_one_model(model: Path) -> None:
    """Hints, knobs as text, or knobs as a mapping; too short a budget proves nothing, and says so."""
    found = autotp.compare({"num_streams": 1}, "hint:LATENCY", model=model, objective="latency_p50", budget_s=0.5)
    assert (found.objective, found.a.effective.streams) == ("latency_p50", 1)
    assert found.verdict in tuple(Ruling)
    assert (found.verdict is Ruling.UNKNOWN) == bool(found.reason)
    assert (found.a.wrong, found.b.wrong) == (None, None)


def captured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Job, Mapping[str, Contender]]]:
    """What comparisons would be run, which aren't."""
    seen: list[tuple[Job, Mapping[str, Contender]]] = []
    monkeypatch.setattr(
        api, "compare_arms", lambda _, pairing, *__: seen.append((pairing.job, pairing.contenders))
    )
    return seen


def test_a_tuned_file_brings_model_objective_and_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else has to be named; options that are given go before."""
    seen, small = captured(monkeypatch), matmul_model(tmp_path)
    write_tuned(tmp_path / "tuned.yaml", content(small, here({"num_streams": 1}), nireq=3), "A test.")
    autotp.compare(tmp_path / "tuned.yaml", "hint:none")
    autotp.compare("hint:none", str(tmp_path / "tuned.yaml"), objective="latency_p90", rate_per_s=50.0, seed=5)
    (first, contenders), (second, _) = seen
    assert [str(metric) for job in (first, second) for metric in job.objectives] == ["throughput", "latency_p90"]
    assert contenders["A"].plans[0].nireq == 3
    assert isinstance(second.workload, OpenLoop)
    assert (first.workload.seed, second.workload.seed, second.workload.rate_per_s) == (0, 5, 50.0)
    assert first.workload.open_fields == second.workload.open_fields == ()


def test_compare_chooses_one_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the job that A, B, the reference and the hints share."""
    seen = captured(monkeypatch)
    autotp.compare("num_streams=1", "hint:none", model=language_model(tmp_path, context=140), new_tokens=8)
    ((job, _),) = seen
    assert job.workload.facts()["prompt_tokens"] == 128
    assert [str(metric) for metric in job.objectives] == ["second_token_latency"]


def test_warnings_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was tuned for another machine is compared all the same."""
    captured(monkeypatch)
    model, notices = matmul_model(tmp_path), list[str]()
    elsewhere = here({"num_streams": 1}, machine=type(here().machine)(fingerprint="0" * 16, hard={}, soft={}))
    write_tuned(tmp_path / "tuned.yaml", content(model, elsewhere), "A test.")
    autotp.compare(tmp_path / "tuned.yaml", "hint:none", notice=notices.append)
    (notice,) = notices
    assert notice.startswith("warning: ")
    assert notice.endswith("it is compared all the same.")


def test_compare_needs_a_model(model: Path) -> None:
    """Sides that are mere knobs name none."""
    with pytest.raises(InputError, match=r"give the model to compare them on with model\."):
        autotp.compare("num_streams=1", "hint:none")
    with pytest.raises(SpaceError, match="batch=8: only a language model has it"):
        autotp.compare({"batch": 8}, "hint:none", model=model)


def test_a_wait_is_noticed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever measures here is named; with `no_wait` it's an error."""
    notices: list[str] = []

    def held(command: str, no_wait: bool, waiting: Any) -> Any:
        if no_wait:
            raise EnvironmentFailure(command)
        waiting(Holder(pid=7, command="autotp tune other.xml"))
        return machine_lock(command, no_wait, waiting)

    monkeypatch.setattr(api, "machine_lock", held)
    autotp.measure(model, budget_s=0.001, notice=notices.append)
    assert notices == ["waiting for process 7 (autotp tune other.xml), which measures on this machine."]
    with pytest.raises(EnvironmentFailure, match=rf"^autotp measure {model.name}$"):
        autotp.measure(model, no_wait=True)
