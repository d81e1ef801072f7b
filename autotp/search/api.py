"""`autotp.tune`: the same job from Python as `autotp tune` from the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

from autotp.search.events import Event, Listener
from autotp.search.request import build_request
from autotp.search.tuner import run


def _silent(event: Event) -> None:
    """Listen to nothing."""


def tune(
    model: str | Path,
    *,
    objectives: Sequence[str] = ("throughput",),
    constraints: Sequence[str] = (),
    space: str = "default",
    fix: Mapping[str, Any] | None = None,
    baseline: Mapping[str, Any] | None = None,
    budget_s: float = 300.0,
    trials: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    data: str | Path | None = None,
    cpus: Sequence[int] | None = None,
    tolerance: float | None = None,
    allow_precision: Sequence[str] = (),
    out: str | Path | None = None,
    study: str | None = None,
    storage: str | None = None,
    seed: int = 0,
    resume: bool = False,
    fresh: bool = False,
    listener: Listener = _silent,
) -> optuna.Study:
    """Tune `model` on this machine and write `tuned.yaml` into the study's folder.

    Args:
        model: an IR `.xml`, an `.onnx`, or a folder that holds `openvino_model.xml`.
        objectives: `throughput`, `latency_p50`, `latency_p90`, `latency_p99`; the first decides.
        constraints: for example `latency_p99<20ms`; what breaks one can't be shipped.
        space: the name of a space that comes with autotp, or a YAML file.
        fix: knobs held at one value.
        baseline: the knobs of your own settings, measured as another baseline.
        budget_s: wall time of this call in seconds, finals included.
        trials: the most arms to search.
        shapes: input name to static shape; needed where the model is dynamic.
        data: an `.npz` with an array for each input, with one more leading dimension for several samples.
        cpus: CPUs to stay on; by default all that this process may use.
        tolerance: the largest absolute output error that is accepted; by default what the hints make of it.
        allow_precision: precisions below OpenVINO's default that may be tried, for example `bf16`.
        out: the study's folder; by default `results/<study>`.
        study: its name; by default `<model>-<objective>`.
        storage: an Optuna storage URL; by default `study.db` in `out`.
        seed: of the samples, the proposer and the order of blocks.
        resume: go on with an existing study; `budget_s` is given anew.
        fresh: replace an existing study.
        listener: is told each event as it happens.

    Returns:
        Optuna's study. Its attribute `tuned` is the content of tuned.yaml where a verdict was reached.

    Raises:
        InputError: something given can't be used; nothing has been written.
        InfeasibleError: nothing in the space can run here.
        EnvironmentFailure: the baseline or the storage failed.
    """
    request = build_request(
        Path(model),
        objectives=[objectives] if isinstance(objectives, str) else objectives,
        constraints=[constraints] if isinstance(constraints, str) else constraints,
        space=space,
        fix=dict(fix or {}),
        baseline=None if baseline is None else dict(baseline),
        budget_s=budget_s,
        allow_precision=allow_precision,
        out=None if out is None else Path(out),
        study=study,
        trials=trials,
        shapes={name: tuple(shape) for name, shape in (shapes or {}).items()},
        data=None if data is None else Path(data),
        cpus=None if cpus is None else tuple(cpus),
        tolerance=tolerance,
        storage=storage,
        seed=seed,
        resume=resume,
        fresh=fresh,
    )
    return run(request, listener)
