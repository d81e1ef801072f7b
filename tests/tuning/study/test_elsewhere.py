"""What was best in another tuning, read from its files."""

from pathlib import Path
from typing import Literal

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from autotp.deploy.tuned import ParetoPoint, write_tuned
from autotp.errors import InputError
from autotp.space.knobs.config import Config
from autotp.tuning.study.elsewhere import MOST, best_elsewhere
from tests.support.tuned_files import profile, tuned

SHIPPED, SECOND = {"num_streams": 48}, {"num_streams": 8}


def ship(folder: Path) -> Path:
    """A tuned.yaml with a front of two."""
    front = tuple(ParetoPoint(config=config, metrics={}) for config in (SHIPPED, SECOND))
    path = folder / "tuned.yaml"
    write_tuned(path, tuned(profile(SHIPPED, pareto=front)), "A test.")
    return path


def study(folder: Path, direction: Literal["maximize", "minimize"] = "maximize") -> None:
    """A study of eight searched configs, of which the third breaks a bound, and a final."""
    made = optuna.create_study(study_name="s", storage=f"sqlite:///{folder / 'study.db'}", direction=direction)
    for number in range(1, 9):
        attributes = {"role": "search", "config": {"nireq": number}}
        trial = create_trial(value=10.0 + number, user_attrs=attributes)
        trial.set_constraint("memory<1GB", 0.5 if number == 8 else -0.5)
        made.add_trial(trial)
    made.add_trial(create_trial(value=99.0, user_attrs={"role": "final", "config": {"nireq": 99}}))
    made.add_trial(create_trial(value=99.0, user_attrs={"role": "search", "config": {"of_tomorrow": 1}}))
    made.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"role": "search", "config": {"nireq": 77}}))


def requests(found: tuple[Config, ...]) -> list[object]:
    """How many requests each has."""
    return [config.get("nireq") for config in found]


def test_what_shipped_comes_first_and_then_the_front(tmp_path: Path) -> None:
    """Each once, whether the file is named or its folder."""
    expected = (Config.of(SHIPPED), Config.of(SECOND))
    assert best_elsewhere(ship(tmp_path)) == best_elsewhere(tmp_path) == expected


def test_of_a_study_the_best_that_keep_the_bounds_come_first(tmp_path: Path) -> None:
    """Failed trials, finals, and knobs that this version lacks don't come at all."""
    study(tmp_path)
    assert requests(best_elsewhere(tmp_path)) == [7, 6, 5, 4, 3]


def test_less_may_be_better(tmp_path: Path) -> None:
    """The direction is the other study's."""
    study(tmp_path, "minimize")
    assert requests(best_elsewhere(tmp_path)) == [1, 2, 3, 4, 5]


def test_a_folder_may_hold_both(tmp_path: Path) -> None:
    """Then what shipped comes first; no more than a few in all."""
    ship(tmp_path)
    study(tmp_path)
    found = best_elsewhere(tmp_path)
    assert found[:2] == (Config.of(SHIPPED), Config.of(SECOND))
    assert requests(found[2:]) == [7, 6, 5]
    assert len(found) == MOST


@pytest.mark.parametrize("name", ["", "none", "notes.txt"])
def test_anything_else_is_one_sentence(name: str, tmp_path: Path) -> None:
    """An empty folder, a missing path, another file."""
    (tmp_path / "notes.txt").write_text("remember the milk")
    with pytest.raises(InputError, match=r"tuned\.yaml"):
        best_elsewhere(tmp_path / name)
