"""Reads the two sides of a comparison as the user names them, and makes arms of them.

A tuned file runs as `autotp.load` would run it: with exactly its properties, requests in flight and CPUs. Its
model, shapes, objective and workload are used as well, unless the caller gives others. It doesn't hold its input
data, only the name of their file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from autotp.deploy.guard import Decision, decide, model_files_path
from autotp.deploy.plans import tuned_plans
from autotp.deploy.tuned import SEEDED, Tuned, read_tuned
from autotp.errors import InputError
from autotp.files.atomic import is_file
from autotp.files.yaml_loader import load_yaml, parse_yaml
from autotp.findings.metric import Metric
from autotp.measuring.compare.comparison import Contender
from autotp.measuring.jobs.job import Job
from autotp.measuring.workload.registry import WORKLOADS, WorkloadOptions, objective_named, workload_class
from autotp.options import spell
from autotp.runtime.models.model_files import ModelFiles, locate
from autotp.runtime.models.read import Shape
from autotp.space.knobs.config import Config

HINT = "hint:"


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side as the user named it: a config, and the tuned file that it comes from, if any."""

    text: str
    config: Config
    tuned: Tuned | None = None

    def brought(self) -> dict[str, Any]:
        """Return the workload's options that the file was tuned with, but `data`, whose path it doesn't hold."""
        if self.tuned is None:
            return {}
        workload = self.tuned.workload
        facts = msgspec.structs.asdict(workload) | (workload.options or {})
        own = {knob for knob, _ in self.config.settings}  # set by the config, so not an option
        wanted = WorkloadOptions.__annotations__.keys() - {"data"} - own
        return {name: value for name, value in facts.items() if name in wanted and value is not None}


def read_settings(text: str) -> Config:
    """Read `text`: a tuned file, a YAML file of knobs, or `num_streams=4,nireq=8`.

    Raises:
        InputError: it is none of them, or not valid.
    """
    path = Path(text)
    if not is_file(path) and "=" not in text:
        raise InputError(f"{text!r} is neither a file nor of the form num_streams=4,nireq=8.")
    data = load_yaml(path) if is_file(path) else parse_yaml("{" + text.replace("=", ": ") + "}", text)
    if isinstance(data, dict) and "autotp" in data:
        data = read_tuned(path).profiles[0].config
    if not isinstance(data, dict) or not data:
        raise InputError(f"{text!r} holds no knobs.")
    return Config.of(data)


def read_side(side: str | Path | Mapping[str, Any]) -> Side:
    """Read a side: a tuned file, `hint:THROUGHPUT`, a file of knobs, or knobs such as `num_streams=4,nireq=8`.

    Raises:
        InputError: it is none of them, or not valid.
    """
    if isinstance(side, Mapping):
        config = Config.of(side)
        return Side(text=str(config), config=config)
    text = str(side)
    if text.lower().startswith(HINT):
        return Side(text=text, config=Config.of({"performance_hint": text[len(HINT) :].lower()}))
    path = Path(text)
    if is_file(path) and isinstance(data := load_yaml(path), dict) and "autotp" in data:
        tuned = read_tuned(path)
        return Side(text=text, config=Config.of(tuned.profiles[0].config), tuned=tuned)
    return Side(text=text, config=read_settings(text))


def model_of(sides: Sequence[Side], model: str | Path | None) -> ModelFiles:
    """Return the model to compare on: the one given, else that of a tuned file.

    Raises:
        InputError: no model is known, it doesn't exist, or two tuned files are of different models.
    """
    tuned = [(Path(side.text), side.tuned) for side in sides if side.tuned is not None]
    if len({(content.model.graph_sha256, content.model.weights_bytes) for _, content in tuned}) > 1:
        raise InputError("The two tuned files are of different models, which can't be compared.")
    if model is not None:
        return locate(Path(model))
    if not tuned:
        raise InputError(f"Neither side is a tuned file: give the model to compare them on with {spell('model')}.")
    path, content = tuned[0]
    return locate(model_files_path(content, path))


def shapes_of(sides: Sequence[Side], shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the shapes given, else those of a tuned file.

    Raises:
        InputError: two tuned files have different ones.
    """
    known = [side.tuned.model.shapes for side in sides if side.tuned is not None]
    if shapes or not known:
        return dict(shapes)
    if any(other != known[0] for other in known):
        raise InputError(
            f"The two tuned files are for different shapes: give those to compare them at with {spell('shapes')}."
        )
    return known[0]


def objective_of(
    sides: Sequence[Side], objective: str | None, files: ModelFiles, given: Mapping[str, Any]
) -> Metric:
    """Return `objective`, else that of a tuned file, else the usual one for the model and the options `given`.

    Raises:
        InputError: there is no such objective, or an option isn't for such a model.
    """
    known = [side.tuned.objective.metrics[0] for side in sides if side.tuned is not None]
    workload = workload_class(files, given)
    return objective_named(objective or (known[0] if known else workload.usual_objective), workload)


def options_of(sides: Sequence[Side], given: Mapping[str, Any], metric: Metric) -> dict[str, Any]:
    """Return the workload's options that are `given`, else those of a tuned file.

    Options of a workload that can't be tuned for `metric` aren't taken from a file.

    Raises:
        InputError: two tuned files differ in an option that isn't given.
    """
    found = {name: value for name, value in given.items() if value is not None}
    fit = {name for workload in WORKLOADS if workload.suits(metric) for name in workload.options.__annotations__}
    for side in sides:
        for name, value in side.brought().items():
            if given.get(name) is not None or name not in {*fit, "seed"}:
                continue
            if found.setdefault(name, value) != value and name != "seed":
                what = name.removesuffix("_per_s").replace("_", " ")
                raise InputError(
                    f"The two tuned files differ in their {what}: give the one to compare at with {spell(name)}."
                )
    return found


def contender(side: Side, job: Job) -> tuple[Contender, tuple[str, ...]]:
    """Return what `side` runs, and the warnings to show. A tuned file brings its own `nireq`.

    Raises:
        SpaceError: the config can't run here, or has no effect on the model.
        ModelError: the model can't be read.
    """
    if side.tuned is None:
        job.check(side.config)
        return Contender(config=side.config, plans=job.spec(side.config).plans), ()
    decision, profile = decide(side.tuned, job.files, job.topology)
    plans = tuned_plans(side.tuned, profile, job.files, job.shapes, job.workload.attention)
    found = Contender(config=Config.of(profile.config), plans=plans)
    return found, (*_elsewhere(side, decision, job), *_other_inputs(side, side.tuned, job))


def _elsewhere(side: Side, decision: Decision, job: Job) -> list[str]:
    if decision.applied:
        return []
    wanted = ", ".join(f"{name}={list(shape)}" for name, shape in job.shapes.items())
    shapes = f" with the input {wanted}" if wanted and not decision.same_model else ""
    return [f"{side.text}: {decision.reason}; it is compared all the same{shapes}"]


def _other_inputs(side: Side, tuned: Tuned, job: Job) -> list[str]:
    inputs = tuned.workload.inputs
    if inputs != SEEDED and "inputs" not in job.workload.facts():
        return [
            f"{side.text}: it was tuned on the inputs of {inputs}, made-up ones are compared: give {spell('data')}"
        ]
    return []
