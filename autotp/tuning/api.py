"""`autotp.tune`: the same job from Python as `autotp tune` from the command line."""

from pathlib import Path
from typing import Unpack

import optuna

from autotp.options import refuse_unknown
from autotp.tuning.events import Event, Listener
from autotp.tuning.options import TuneOptions
from autotp.tuning.request import build_request
from autotp.tuning.tuner import run


def _silent(event: Event) -> None:
    """Listen to nothing."""


def tune(model: str | Path, *, listener: Listener = _silent, **options: Unpack[TuneOptions]) -> optuna.Study:
    """Tune `model` on this machine and write `tuned.yaml` into the study's folder.

    Args:
        model: an IR `.xml`, an `.onnx`, or a folder that holds `openvino_model.xml`.
        listener: gets each event as it happens.
        **options: as `TuneOptions` describes them.

    Returns:
        Optuna's study. Its attribute `tuned` is the content of tuned.yaml where a verdict was reached.

    Raises:
        InputError: something given can't be used; nothing has been written.
        InfeasibleError: nothing in the space can run here.
        EnvironmentFailure: the baseline or the storage failed, or with `no_wait` something else measures.
        TypeError: an option that isn't one of `TuneOptions`.
    """
    refuse_unknown(TuneOptions, options, "tune")
    return run(build_request(model, options), listener)
