"""What a person asks of a tuning, checked and resolved before anything is written or measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from autotp.errors import InputError
from autotp.findings import Metric, metric_named, objectives_of
from autotp.measure import (
    Asked,
    Workload,
    generation_for,
    known_metrics,
    requests_of,
    usual_objective,
    whose_metrics,
    workload_for,
)
from autotp.runtime import ModelFiles, Shape, locate
from autotp.space import ALLOWABLE, Config, Space, load_space
from autotp.tuning.constraints import Constraint, parse_constraint


class TuneRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of `tune`. Times in seconds; `storage` None means `study.db` in `out`."""

    files: ModelFiles
    name: str
    out: Path
    objectives: tuple[Metric, ...]
    workload: Workload
    space: Space
    budget_s: float
    constraints: tuple[Constraint, ...] = ()
    baseline: Config | None = None
    trials: int | None = None
    shapes: dict[str, Shape] = {}
    cpus: tuple[int, ...] | None = None
    tolerance: float | None = None
    allowed_precisions: tuple[str, ...] = ()
    storage: str | None = None
    resume: bool = False
    fresh: bool = False
    no_wait: bool = False

    @property
    def objective(self) -> Metric:
        """The metric that decides: the first that was asked for."""
        return self.objectives[0]

    @property
    def seed(self) -> int:
        """That of the samples, the proposer and the order of blocks."""
        return self.workload.seed

    def nireq(self, config: Config) -> int | None:
        """Return the requests in flight with `config`; None leaves OpenVINO's optimum."""
        return requests_of(config, self.objectives, self.workload)

    @property
    def storage_url(self) -> str:
        """Where the study lies."""
        return self.storage or f"sqlite:///{self.out.resolve() / 'study.db'}"


def build_request(
    model: Path,
    *,
    objectives: Sequence[str],
    constraints: Sequence[str],
    space: str | None,
    fix: dict[str, Any],
    baseline: dict[str, Any] | None,
    budget_s: float,
    allow_precision: Sequence[str],
    out: Path | None,
    study: str | None,
    seed: int = 0,
    data: Path | None = None,
    rate_per_s: float | None = None,
    asked: Asked,
    **rest: Any,
) -> TuneRequest:
    """Check what the person gave and return it as a request; the other fields pass through.

    Where no objective or no space is named, it's the usual one of such a model.

    Raises:
        InputError: of the kind that fits; nothing has been written.
    """
    files = locate(model)
    generates = files.generates
    known, of_such = known_metrics(generates), whose_metrics(generates)
    asked_for = [metric_named(metric, objectives_of(known), of_such) for metric in objectives]
    metrics = tuple(dict.fromkeys(asked_for)) or (usual_objective(generates),)
    bounds = tuple(parse_constraint(text, known, of_such) for text in constraints)
    name = _study_name(study, files, metrics)
    _check_numbers(budget_s, seed, rest)
    generation = generation_for(files, [*metrics, *(bound.metric for bound in bounds)], asked)
    workload = workload_for(metrics, budget_s, seed=seed, data=data, rate_per_s=rate_per_s, generation=generation)
    return TuneRequest(
        workload=workload,
        files=files,
        name=name,
        out=out or Path("results") / name,
        objectives=metrics,
        constraints=bounds,
        space=load_space(space or usual_space(generates)).fixed(fix),
        baseline=None if baseline is None else Config.of(baseline),
        budget_s=budget_s,
        allowed_precisions=_precisions(allow_precision),
        **rest,
    )


def usual_space(generates: bool) -> str:
    """Return the name of the space where none is given."""
    return "language_model" if generates else "default"


def _precisions(names: Sequence[str]) -> tuple[str, ...]:
    if unknown := set(names) - set(ALLOWABLE):
        raise InputError(f"There is no precision {min(unknown)!r}; there are {', '.join(ALLOWABLE)}.")
    return tuple(names)


def _check_numbers(budget_s: float, seed: int, rest: dict[str, Any]) -> None:
    if not 0 < budget_s < 1e7:
        raise InputError("The budget must be more than 0 seconds.")
    if rest.get("trials") is not None and rest["trials"] < 1:
        raise InputError("The number of trials must be 1 or more.")
    if rest.get("tolerance") is not None and not rest["tolerance"] >= 0:
        raise InputError("The tolerance must be 0 or more.")
    if not 0 <= seed < 2**32:
        raise InputError("The seed must be from 0 to 4294967295.")
    if rest.get("resume") and rest.get("fresh"):
        raise InputError("Choose one of resume and fresh: go on with the study, or replace it.")


def _study_name(study: str | None, files: ModelFiles, metrics: Sequence[Metric]) -> str:
    name = study or f"{_model_name(files)}-{'-'.join(map(str, metrics))}"
    if "/" in name or name in (".", ".."):
        raise InputError(f"Study name {name!r} can't be a folder's name.")
    return name


def _model_name(files: ModelFiles) -> str:
    folder_model = files.path.name == "openvino_model.xml"
    return files.path.resolve().parent.name if folder_model else files.path.stem
