"""What the user requests of a tuning, checked before anything is written or measured."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from autotp.errors import InputError
from autotp.files.links import as_given
from autotp.files.text import require_text
from autotp.findings.metric import Metric
from autotp.measuring.jobs.job import Job
from autotp.measuring.options import static_shapes
from autotp.measuring.workload.registry import (
    AnyWorkload,
    WorkloadOptions,
    objective_named,
    workload_class,
    workload_for,
)
from autotp.measuring.workload.workload import Wanted, Workload
from autotp.options import spell
from autotp.runtime.models.model_files import ModelFiles, locate
from autotp.runtime.models.read import Shape
from autotp.space.knobs.config import Config
from autotp.space.limits.precision import ALLOWABLE
from autotp.space.schema.space_file import Space, load_space
from autotp.topology.probe import Topology
from autotp.tuning.constraints import Constraint, parse_constraint
from autotp.tuning.options import BUDGET_S, TuneOptions


class TuneRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The checked arguments of one call of `tune`, with defaults filled in.

    `baseline` holds the user's own settings. `warm_start` is another tuning's tuned.yaml or folder. Without a
    `storage` the study is stored in `out`, in `study.db`.
    """

    files: ModelFiles
    name: str
    out: Path
    objectives: tuple[Metric, ...]
    workload: AnyWorkload
    space: Space
    budget_s: float
    constraints: tuple[Constraint, ...] = ()
    baseline: Config | None = None
    warm_start: Path | None = None
    trials: int | None = None
    exhaustive: bool = False
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
        """The metric that decides: the first of the objectives."""
        return self.objectives[0]

    @property
    def seed(self) -> int:
        """The seed of the inputs, the proposer and the order of blocks."""
        return self.workload.seed

    @property
    def at_risk(self) -> tuple[Metric, ...]:
        """The metrics that aren't objectives and that a gain may make worse."""
        return self.workload.at_risk(self.objectives)

    def job(self, topology: Topology) -> Job:
        """Return what every config is measured with; `topology` must be narrowed to `cpus` already."""
        return Job(
            files=self.files,
            workload=self.workload,
            topology=topology,
            objectives=self.objectives,
            shapes=self.shapes,
            narrowed=self.cpus is not None,
        )

    @property
    def storage_place(self) -> str | Path:
        """Where the study is stored: the user's URL, or the SQLite file in the study's folder."""
        return self.storage or self.out.resolve() / "study.db"


def build_request(model: str | Path, options: TuneOptions) -> TuneRequest:
    """Check the options and return them as a request.

    Without an objective or a space, the workload's usual one is taken.

    Raises:
        InputError: the model or an option can't be used; nothing has been written.
    """
    files = locate(Path(model))
    of_workload = {name: value for name, value in options.items() if name in WorkloadOptions.__annotations__}
    workload = workload_class(files, of_workload)
    objectives = _objectives(_several(options.get("objectives", ())), workload)
    bounds = _several(options.get("constraints", ()))
    constraints = tuple(parse_constraint(text, workload.metrics(), f" of {workload.title}") for text in bounds)
    budget_s, name = options.get("budget_s", BUDGET_S), _study_name(options.get("study"), files, objectives)
    _check(options)
    wanted = Wanted(objectives, tuple(constraint.metric for constraint in constraints), budget_s)
    _check_names(files, name, of_workload)
    out, baseline, cpus = options.get("out"), options.get("baseline"), options.get("cpus")
    warm_start = options.get("warm_start")
    return TuneRequest(
        workload=workload_for(files, wanted, of_workload),
        files=files,
        name=name,
        out=Path("results") / name if out is None else Path(out),
        objectives=objectives,
        constraints=constraints,
        space=load_space(options.get("space") or workload.usual_space).fixed(options.get("fix", {})),
        baseline=None if baseline is None else Config.of(baseline),
        warm_start=None if warm_start is None else Path(warm_start),
        budget_s=budget_s,
        trials=options.get("trials"),
        exhaustive=options.get("exhaustive", False),
        shapes=static_shapes(options.get("shapes", {})),
        cpus=None if cpus is None else tuple(cpus),
        tolerance=options.get("tolerance"),
        allowed_precisions=_precisions(_several(options.get("allow_precision", ()))),
        storage=options.get("storage"),
        resume=options.get("resume", False),
        fresh=options.get("fresh", False),
        no_wait=options.get("no_wait", False),
    )


def _several(words: str | Sequence[str]) -> Sequence[str]:
    return [words] if isinstance(words, str) else words


def _objectives(names: Sequence[str], workload: type[Workload]) -> tuple[Metric, ...]:
    chosen = names or [workload.usual_objective]
    return tuple(dict.fromkeys(objective_named(name, workload) for name in chosen))


def _precisions(names: Sequence[str]) -> tuple[str, ...]:
    if unknown := set(names) - set(ALLOWABLE):
        raise InputError(f"There is no precision {min(unknown)!r}; there are {', '.join(ALLOWABLE)}.")
    return tuple(names)


def _check(options: TuneOptions) -> None:
    trials, tolerance = options.get("trials"), options.get("tolerance")
    if trials is not None and trials < 1:
        raise InputError(f"{spell('trials')} must be 1 or more.")
    if tolerance is not None and not tolerance >= 0:
        raise InputError(f"{spell('tolerance')} must be 0 or more.")
    if options.get("resume") and options.get("fresh"):
        raise InputError(
            f"Choose one of {spell('resume')} and {spell('fresh')}: go on with the study, or replace it."
        )


def _check_names(files: ModelFiles, name: str, of_workload: Mapping[str, Any]) -> None:
    """Check that the names that tuned.yaml and the study will hold can be written.

    Raises:
        InputError: one isn't UTF-8.
    """
    require_text(str(as_given(files.path)), "tuned.yaml can't hold the model's path")
    require_text(name, "The study can't have this name")
    require_text(Path(of_workload.get("data") or "").name, "tuned.yaml can't hold the name of the inputs' file")


def _study_name(study: str | None, files: ModelFiles, metrics: Sequence[Metric]) -> str:
    name = study or f"{_model_name(files)}-{'-'.join(map(str, metrics))}"
    if set(name) & {"/", "\0"} or name in (".", ".."):
        raise InputError(f"Study name {name!r} can't be a folder's name.")
    return name


def _model_name(files: ModelFiles) -> str:
    """Return a name after the path that was given, whatever links lead to.

    It is the folder's name for a file with the usual name, and for a model that is a folder, else the file's. In
    a model hub's cache it holds the snapshot, too, for there folders and files of many models have the same names.
    """
    path = as_given(files.path)
    in_folder = path.parent if path.name == "openvino_model.xml" else path
    named = in_folder if in_folder.is_dir() else path.with_suffix("")
    return "-".join(_in_snapshot(named)) or (named.resolve() if named.name == ".." else named).name


def _in_snapshot(path: Path) -> tuple[str, ...]:
    """Return the last part of `path`, from the snapshot on, if it lies in the cache of a hub; else nothing.

    The layout of that cache: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    for index, (folder, inner) in enumerate(pairwise(path.parts)):
        if folder.startswith("models--") and inner == "snapshots":
            return path.parts[index + 2 :]
    return ()
