"""`autotp.tune`: does in Python what `autotp tune` does on the command line."""

from pathlib import Path
from typing import Unpack

import optuna

from autotp.options import refuse_unknown
from autotp.tuning.events import Event, Listener
from autotp.tuning.options import TuneOptions
from autotp.tuning.request import build_request
from autotp.tuning.tuner import run


def _ignore(event: Event) -> None:
    """Do nothing with `event`."""


def tune(model: str | Path, *, listener: Listener = _ignore, **options: Unpack[TuneOptions]) -> optuna.Study:
    """Tune `model` on this machine and write `tuned.yaml` into the study's folder.

    Args:
        model: a file that OpenVINO reads, such as an IR's `.xml`, an `.onnx`, a `.tflite` or a `.pdmodel`, or a
            folder that holds `openvino_model.xml` or TensorFlow's `saved_model.pb`.
        listener: called with each event as it happens.
        **options: those that `TuneOptions` describes.

    Returns:
        Optuna's study. Once a WIN or TIE was reached, its attribute `tuned` is the content of tuned.yaml.

    Raises:
        InputError: an argument can't be used; nothing has been written.
        InfeasibleError: nothing in the space can run here.
        EnvironmentFailure: the baseline or the storage failed, or, with `no_wait`, another process is measuring.
        TypeError: an option that isn't one of `TuneOptions`.
    """
    refuse_unknown(TuneOptions, options, "tune")
    return run(build_request(model, options), listener)
