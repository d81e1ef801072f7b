"""Opening a tuning: bad input is refused before anything is written."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pytest

from autotp.errors import (
    AutotpError,
    EnvironmentFailure,
    InfeasibleError,
    InputError,
    ModelError,
    SpaceError,
    StudyError,
)
from autotp.measuring.parent.pool import Workers
from autotp.options import Spelling, spelled_for
from autotp.runtime.inference.inputs import SEEDED_SAMPLES
from autotp.tuning.opening import CHOSEN_FOR_SEED, Tuning, first_event, open_tuning
from autotp.tuning.request import TuneRequest
from tests.support.models import dynamic_model, matmul_model
from tests.support.tune_requests import built


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, so that the test sees what was written."""
    monkeypatch.chdir(tmp_path)


def opened(request: TuneRequest) -> Tuning:
    """A tuning that was opened and closed."""
    with Workers() as workers:
        tuning, _ = open_tuning(request, lambda event: None, workers)
    tuning.session.close()
    return tuning


def test_opening_makes_the_study_and_describes_the_space(model: Path) -> None:
    """The folder, its storage and the first event are there; a second opening is refused with both options."""
    first = first_event(opened(built(model)))
    assert (first.study, first.out) == ("model-throughput", "results/model-throughput")
    assert first.effective_configs >= 1
    assert optuna.get_all_study_names("sqlite:///results/model-throughput/study.db") == ["model-throughput"]
    with pytest.raises(StudyError, match=r"resume=True.*fresh=True"):
        opened(built(model))
    opened(built(model, resume=True))
    opened(built(model, fresh=True))


def test_an_existing_study_names_the_options_as_the_caller_spells_them(model: Path) -> None:
    """At the command line errors name options as flags."""
    opened(built(model))
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(StudyError, match=r"use --resume to .* or --fresh to"):
        opened(built(model))


def test_a_folder_holds_one_study(model: Path) -> None:
    """Another study's name in the same folder is refused, even with `resume`; `fresh` replaces what is there."""
    opened(built(model, out=Path("out")))
    latency = {"out": Path("out"), "objectives": ["latency_p50"]}
    for flags in ({}, {"resume": True}):
        with pytest.raises(StudyError, match=r"holds study 'model-throughput'"):
            opened(built(model, **latency, **flags))
    opened(built(model, **latency, fresh=True))
    assert optuna.get_all_study_names("sqlite:///out/study.db") == ["model-latency_p50"]


def test_a_shared_storage_holds_several_studies(model: Path) -> None:
    """In a storage given by URL, only the same study's name is refused."""
    url = "sqlite:///shared.db"
    opened(built(model, storage=url))
    opened(built(model, storage=url, objectives=["latency_p50"]))
    with pytest.raises(StudyError, match=r"resume=True.*fresh=True"):
        opened(built(model, storage=url))


@pytest.mark.parametrize(
    "again",
    [
        {},
        {"objectives": ["latency_p50"]},
        {"study": "model-throughput", "objectives": ["latency_p50"], "resume": True},
        {"storage": "sqlite:///shared.db"},
    ],
)
def test_who_may_replace_a_study_learns_whose_it_is(model: Path, again: dict[str, Any]) -> None:
    """The model's path and the date stand beside the advice, whichever of the refusals it is."""
    opened(built(model, out=Path("out"), storage=again.get("storage")))
    with pytest.raises(StudyError, match=r"fresh=True") as raised:
        opened(built(model, out=Path("out"), **again))
    year = datetime.now(UTC).year
    assert f"'model-throughput' (of {model}, begun {year}-" in str(raised.value)


def test_an_owner_stays_until_the_study_is_replaced(model: Path, tmp_path: Path) -> None:
    """Who goes on with a study doesn't make it theirs, who replaces it does."""
    (tmp_path / "link.xml").symlink_to(model)
    (tmp_path / "link.bin").symlink_to(model.with_suffix(".bin"))
    opened(built(model, out=Path("out"), study="s"))
    opened(built(tmp_path / "link.xml", out=Path("out"), study="s", resume=True))
    url = "sqlite:///out/study.db"
    assert optuna.load_study(study_name="s", storage=url).user_attrs["model"] == str(model)
    opened(built(tmp_path / "link.xml", out=Path("out"), study="s", fresh=True))
    assert optuna.load_study(study_name="s", storage=url).user_attrs["model"] == str(tmp_path / "link.xml")


def test_a_fresh_study_leaves_the_file_of_the_old_one(model: Path) -> None:
    """A tuning that is killed before it proves anything has replaced nothing that ships."""
    opened(built(model, out=Path("out")))
    Path("out/tuned.yaml").write_text("what was proven")
    opened(built(model, out=Path("out"), fresh=True))
    assert Path("out/tuned.yaml").read_text() == "what was proven"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"shapes": {"x": (1, 3)}}, ModelError),
        ({"shapes": {"z": (1, 16)}}, ModelError),
        ({"cpus": (4095,)}, InputError),
        ({"warm_start": "nowhere"}, InputError),
        ({"storage": "foo://x"}, InputError),
        ({"storage": "foo://x", "fresh": True}, InputError),
        ({"storage": "sqlite:///nowhere/x.db", "resume": True}, EnvironmentFailure),
        ({"storage": "sqlite:///new.db", "shapes": {"z": (1, 16)}}, ModelError),
        ({"baseline": {"split_count": 999, "split_min_weights": 0}}, SpaceError),
    ],
)
def test_what_is_refused_leaves_nothing_behind(
    given: dict[str, Any], kind: type[AutotpError], model: Path, tmp_path: Path
) -> None:
    """No folder and no database is made where the input can't be used."""
    with pytest.raises(kind):
        opened(built(model, **given))
    assert list(tmp_path.iterdir()) == []


def test_a_space_of_which_nothing_runs_here_is_infeasible(model: Path, tmp_path: Path) -> None:
    """More threads than CPUs everywhere: exit code 3 with the reason, nothing is written."""
    space = tmp_path / "space.yaml"
    space.write_text("knobs: {num_streams: [1], inference_num_threads: {multiple_of: num_streams, by: [99999]}}\n")
    with pytest.raises(InfeasibleError, match="inference_num_threads=99999: the process may use") as raised:
        opened(built(model, space=str(space)))
    assert raised.value.exit_code == 3
    assert list(tmp_path.iterdir()) == [space]


def test_of_what_does_not_go_together_that_alone_is_the_reason(model: Path) -> None:
    """The reason why a value of another knob can't be used doesn't explain that."""
    with pytest.raises(InfeasibleError) as raised:
        opened(built(model, space="tensor_parallel", fix={"split_count": 999, "split_min_weights": 0}))
    assert "output channels can't be split into 999" in str(raised.value)
    assert "socket" not in str(raised.value)


def test_a_dynamic_model_needs_shapes_and_the_error_says_how(tmp_path: Path) -> None:
    """The error lists the inputs and shows the missing shape as the caller writes it; with it the tuning opens."""
    model = dynamic_model(tmp_path)
    with pytest.raises(ModelError, match=r"x \[\?,16\].*shapes=\{'x': "):
        opened(built(model))
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(ModelError, match=r"x \[\?,16\].*--shape 'x=\[1,16\]'"):
        opened(built(model))
    tuning = opened(built(model, shapes={"x": (4, 16)}))
    assert tuning.session.request.shapes == {"x": (4, 16)}


def test_another_shape_is_another_study(tmp_path: Path) -> None:
    """Resuming with other shapes would mix what can't be compared: it's refused."""
    model = dynamic_model(tmp_path)
    opened(built(model, shapes={"x": (4, 16)}))
    with pytest.raises(StudyError, match="differs in its inputs"):
        opened(built(model, shapes={"x": (8, 16)}, resume=True))


def test_what_was_chosen_holds_for_its_seed_alone(model: Path) -> None:
    """A study that goes on with another seed, and so with other inputs, looks at these anew."""
    noted = []
    for changed in ({"seed": 1}, {"seed": 1, "resume": True}, {"seed": 2, "resume": True}):
        study = opened(built(model, **changed)).session.study
        noted.append((study.noted(CHOSEN_FOR_SEED), study.noted("sample_count")))
    assert noted == [(1, SEEDED_SAMPLES), (1, SEEDED_SAMPLES), (2, SEEDED_SAMPLES)]
