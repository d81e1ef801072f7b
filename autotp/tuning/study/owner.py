"""Whose a study is: the model that it was begun for, and when. Who is about to replace it should know."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import optuna

from autotp.files.links import as_given
from autotp.tuning.request import TuneRequest
from autotp.tuning.study.storage_url import Place, open_storage, using_storage

MODEL, BEGAN = "model", "began"


def owner_facts(request: TuneRequest, began: str) -> dict[str, str]:
    """Return what a study that begins at `began` (an ISO date and time) records about its owner."""
    return {MODEL: str(as_given(request.files.path)), BEGAN: began}


def owner_in(place: Place, study: str) -> str:
    """Return in words whose `study` in the storage at `place` is: see `owner`.

    Raises:
        EnvironmentFailure: the storage can't be reached.
    """
    with using_storage(place):
        return owner(optuna.load_study(study_name=study, storage=open_storage(place)).user_attrs)


def owner(attributes: Mapping[str, Any]) -> str:
    """Return whose the study with these attributes is, in brackets: the path of its model, and when it began.

    Empty for a study of an earlier autotp, which didn't record that.
    """
    if MODEL not in attributes or BEGAN not in attributes:
        return ""
    return f" (of {attributes[MODEL]}, begun {spell_time(attributes[BEGAN])})"


def spell_time(moment: str) -> str:
    """Return an ISO date and time of UTC as people write it: 2026-01-31 14:05 UTC."""
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"
