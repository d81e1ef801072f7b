"""`autotp.tune`: the same job from Python as `autotp tune` from the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import optuna

from autotp.measure import Asked
from autotp.tuning.events import Event, Listener
from autotp.tuning.request import TuneRequest, build_request
from autotp.tuning.tuner import run

DEFAULT_BUDGET_S = 300.0


class TuneOptions(TypedDict, total=False):
    """What `tune` takes besides the model; each has a default."""

    objectives: str | Sequence[str]
    """Names of metrics, which `autotp tune --help` lists; of several the first decides.

    By default `throughput`, of a language model `second_token_latency`."""
    constraints: str | Sequence[str]
    """For example `latency_p99<20ms` or `memory<2GiB`; what breaks one can't be shipped."""
    space: str | None
    """The name of a space that comes with autotp (`default`, for a language model `language_model`), or a file."""
    fix: Mapping[str, Any]
    """Knobs held at one value."""
    baseline: Mapping[str, Any] | None
    """The knobs of your own settings, measured as another baseline."""
    budget_s: float
    """Wall time of this call in seconds, finals included; 300 by default."""
    trials: int | None
    """The most arms to search."""
    shapes: Mapping[str, Sequence[int]]
    """Input name to static shape; needed where the model is dynamic."""
    data: str | Path | None
    """An `.npz` with an array for each input, with one more leading dimension for several samples."""
    rate_per_s: float | None
    """Inferences a second that arrive by chance, for a latency objective; latency counts from the arrival."""
    prompt_tokens: int | None
    """Of a language model, in each prompt; by default the most of 1024, 512, 256, 128 read in half a second."""
    new_tokens: int | None
    """Of a language model, after each prompt; 128 by default."""
    batch: int | None
    """Of a language model, how many sequences there are at once; 1 by default."""
    attention_backend: str | None
    """Of a language model, as it's deployed: `SDPA` (the default), with state, or `PA`, as GenAI has it."""
    cpus: Sequence[int] | None
    """CPUs to stay on; by default all that this process may use."""
    tolerance: float | None
    """The largest absolute output error that is accepted; by default what the hints make of it."""
    allow_precision: Sequence[str]
    """Precisions below OpenVINO's default that may be tried, for example `bf16`."""
    out: str | Path | None
    """The study's folder; `results/<study>` by default."""
    study: str | None
    """Its name; `<model>-<objective>` by default."""
    storage: str | None
    """An Optuna storage URL; `study.db` in the folder by default."""
    seed: int
    """Of the samples, the proposer and the order of blocks; 0 by default."""
    resume: bool
    """Go on with an existing study; the budget is given anew."""
    fresh: bool
    """Replace an existing study."""
    no_wait: bool
    """Fail where something else measures on this machine, rather than wait for its end."""


def _silent(event: Event) -> None:
    """Listen to nothing."""


def tune(model: str | Path, *, listener: Listener = _silent, **options: Unpack[TuneOptions]) -> optuna.Study:
    """Tune `model` on this machine and write `tuned.yaml` into the study's folder.

    Args:
        model: an IR `.xml`, an `.onnx`, or a folder that holds `openvino_model.xml`.
        listener: is told each event as it happens.
        **options: as `TuneOptions` describes them.

    Returns:
        Optuna's study. Its attribute `tuned` is the content of tuned.yaml where a verdict was reached.

    Raises:
        InputError: something given can't be used; nothing has been written.
        InfeasibleError: nothing in the space can run here.
        EnvironmentFailure: the baseline or the storage failed, or with `no_wait` something else measures.
        TypeError: an option that isn't one of `TuneOptions`.
    """
    if unknown := options.keys() - TuneOptions.__annotations__.keys():
        raise TypeError(f"tune() got an unexpected option {min(unknown)!r}")
    return run(_request(Path(model), options), listener)


def _request(model: Path, options: TuneOptions) -> TuneRequest:
    baseline, cpus = options.get("baseline"), options.get("cpus")
    return build_request(
        model,
        objectives=_several(options.get("objectives", ())),
        constraints=_several(options.get("constraints", ())),
        space=options.get("space"),
        fix=dict(options.get("fix", {})),
        baseline=None if baseline is None else dict(baseline),
        budget_s=options.get("budget_s", DEFAULT_BUDGET_S),
        allow_precision=_several(options.get("allow_precision", ())),
        out=_path(options.get("out")),
        study=options.get("study"),
        trials=options.get("trials"),
        shapes={name: tuple(shape) for name, shape in options.get("shapes", {}).items()},
        data=_path(options.get("data")),
        rate_per_s=options.get("rate_per_s"),
        asked=Asked(
            prompt_tokens=options.get("prompt_tokens"),
            new_tokens=options.get("new_tokens"),
            batch=options.get("batch"),
            attention_backend=options.get("attention_backend"),
        ),
        cpus=None if cpus is None else tuple(cpus),
        tolerance=options.get("tolerance"),
        storage=options.get("storage"),
        seed=options.get("seed", 0),
        resume=options.get("resume", False),
        fresh=options.get("fresh", False),
        no_wait=options.get("no_wait", False),
    )


def _several(words: str | Sequence[str]) -> Sequence[str]:
    return [words] if isinstance(words, str) else words


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
