"""What was best in another tuning, of whatever model, machine or version: worth trying first.

Its figures say nothing here. A tuned.yaml holds what shipped and its Pareto front; a study also holds what its
search measured.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autotp.deploy.tuned import read_tuned
from autotp.errors import InputError, SpaceError
from autotp.files.atomic import is_file
from autotp.space.knobs.config import Config
from autotp.tuning.study.storage_url import open_storage, using_storage
from autotp.tuning.study.study import Role

MOST = 5


def best_elsewhere(place: Path) -> tuple[Config, ...]:
    """Return what was best in the tuning at `place`, the best first, but for what this version has no knob for.

    Args:
        place: its tuned.yaml, or the folder that holds it or `study.db`.

    Raises:
        InputError: there is neither, or it can't be read.
        EnvironmentFailure: the study can't be read now.
    """
    tuned, study = (place / "tuned.yaml", place / "study.db") if place.is_dir() else (place, place / "study.db")
    if not is_file(tuned) and not is_file(study):
        raise InputError(f"{place} is no tuned.yaml, and no folder that holds one or a study.db.")
    found = [*(_in_tuned(tuned) if is_file(tuned) else ()), *(_in_study(study) if is_file(study) else ())]
    return tuple(dict.fromkeys(config for settings in found if (config := _config(settings))))[:MOST]


def _in_tuned(path: Path) -> Iterator[dict[str, Any]]:
    for profile in read_tuned(path).profiles:
        yield profile.config
        yield from (point.config for point in profile.pareto)


def _in_study(path: Path) -> list[dict[str, Any]]:
    """Return the configs that searches measured, the best first."""
    with using_storage(path):
        storage = open_storage(path)
        found: list[dict[str, Any]] = []
        for name in optuna.get_all_study_names(storage):
            study = optuna.load_study(study_name=name, storage=storage)
            trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            searched = [trial for trial in trials if trial.user_attrs.get("role") == Role.SEARCH]
            sign = -1.0 if study.directions[0] is StudyDirection.MAXIMIZE else 1.0
            found += [trial.user_attrs["config"] for trial in sorted(searched, key=lambda one: _rank(one, sign))]
        return found


def _rank(trial: FrozenTrial, sign: float) -> tuple[bool, float]:
    """Sort key: what keeps its constraints comes first, and what is better."""
    return any(excess > 0.0 for excess in trial.constraints.values()), sign * trial.values[0]


def _config(settings: dict[str, Any]) -> Config | None:
    try:
        return Config.of(settings)
    except SpaceError:
        return None  # a knob that this version doesn't have
