"""The two sides of a comparison: what a person names, as plans for workers.

A tuned file runs as `autotp.load` would run it: with exactly its properties, requests in flight and CPUs. It
brings its model, shapes, objective, seed and rate, too, as far as the command line says nothing else. Of the file
that its inputs came from it holds the name alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from autotp.cli.params import Settings
from autotp.deploy import SEEDED, Tuned, decide, model_files_path, read_tuned, tuned_plans
from autotp.errors import InputError, SpaceError
from autotp.files import is_file, load_yaml
from autotp.findings import Metric, metric_named, objectives_of
from autotp.measure import (
    ArmSpec,
    Asked,
    Contenders,
    Workload,
    generation_for,
    known_metrics,
    plans_of,
    requests_of,
    usual_objective,
    whose_metrics,
    workload_for,
)
from autotp.runtime import ModelFiles, Plan, Shape, locate
from autotp.space import Config, affinity, config_dropped, lossy
from autotp.topology import Topology

HINT = "hint:"


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """One side as the person named it: a tuned file, or a config."""

    text: str
    config: Config = Config()
    tuned: Tuned | None = None

    @property
    def settings(self) -> Config:
        """What it sets."""
        return self.config if self.tuned is None else Config.of(self.tuned.profiles[0].config)

    @property
    def batch(self) -> int | None:
        """The sequences at once that its config sets."""
        return self.settings.count("batch")

    @property
    def asked(self) -> Asked:
        """What a language model was asked for as it was tuned: a batch that its config sets wasn't asked for."""
        if self.tuned is None:
            return Asked()
        workload = self.tuned.workload
        return Asked(
            prompt_tokens=workload.prompt_tokens,
            new_tokens=workload.new_tokens,
            batch=None if self.batch else workload.batch,
            attention_backend=workload.attention_backend,
        )


def read_side(text: str) -> Named:
    """Read `text`: a tuned file, `hint:THROUGHPUT`, or `num_streams=4,nireq=8`.

    Raises:
        InputError: it is none of them, or not valid.
        BadParameter: the same, as click tells it.
    """
    if text.lower().startswith(HINT):
        return Named(text=text, config=Config.of({"performance_hint": text[len(HINT) :].lower()}))
    path = Path(text)
    if is_file(path) and isinstance(data := load_yaml(path), dict) and "autotp" in data:
        return Named(text=text, tuned=read_tuned(path))
    return Named(text=text, config=Config.of(Settings().convert(text, None, None)))


def model_of(sides: Sequence[Named], model: Path | None) -> ModelFiles:
    """Return the model to compare on: the one given, else that of a tuned file.

    Raises:
        InputError: none is known, it isn't there, or two tuned files are of different models.
    """
    tuned = [(Path(side.text), side.tuned) for side in sides if side.tuned is not None]
    if len({(content.model.graph_sha256, content.model.weights_bytes) for _, content in tuned}) > 1:
        raise InputError("The two tuned files are of different models, which can't be compared.")
    if model is not None:
        return locate(model)
    if not tuned:
        raise InputError("Neither side is a tuned file: say with --model which model to compare them on.")
    path, content = tuned[0]
    return locate(model_files_path(content, path))


def shapes_of(sides: Sequence[Named], shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return the shapes given, else those of a tuned file.

    Raises:
        InputError: two tuned files have different ones.
    """
    known = [side.tuned.model.shapes for side in sides if side.tuned is not None]
    if shapes or not known:
        return dict(shapes)
    if any(other != known[0] for other in known):
        raise InputError(
            "The two tuned files are for different shapes: say with --shape which to compare them at."
        )
    return known[0]


def objective_of(sides: Sequence[Named], objective: str | None, files: ModelFiles) -> Metric:
    """Return the objective given, else that of a tuned file, else the usual one of such a model.

    Raises:
        InputError: there is no such objective.
    """
    known = [side.tuned.objective.metrics[0] for side in sides if side.tuned is not None]
    usual = known[0] if known else usual_objective(files.generates).name
    return metric_named(
        objective or usual, objectives_of(known_metrics(files.generates)), whose_metrics(files.generates)
    )


def workload_of(
    sides: Sequence[Named],
    files: ModelFiles,
    metric: Metric,
    budget_s: float,
    *,
    seed: int | None,
    data: Path | None,
    rate_per_s: float | None,
    asked: Asked,
) -> Workload:
    """Return what drives both sides: what is given, else the seed, the rate and the tokens of a tuned file.

    For throughput a tuned file's rate isn't taken, as it would decide that itself.

    Raises:
        InputError: two tuned files have different rates or tokens; or as `workload_for` and `generation_for`.
    """
    known = [side.tuned.workload for side in sides if side.tuned is not None]
    if files.generates:
        asked = _asked_of(sides, asked)
    rates = {workload.rate_per_s for workload in known} - {None}
    if rate_per_s is None and rates and not metric.maximize:
        if len(rates) > 1:
            raise InputError(
                "The two tuned files are for different rates: say with --rate which to compare them at."
            )
        (rate_per_s,) = rates
    if seed is None:
        seed = known[0].seed if known else 0
    generation = generation_for(files, [metric], asked)
    return workload_for([metric], budget_s, seed=seed, data=data, rate_per_s=rate_per_s, generation=generation)


def _asked_of(sides: Sequence[Named], asked: Asked) -> Asked:
    """Return `asked` with what it leaves open as in the tuned files, which must be alike in that."""
    found = msgspec.structs.asdict(asked)
    for name in (name for name, given in found.items() if given is None):
        known = {getattr(side.asked, name) for side in sides} - {None}
        if len(known) > 1:
            flag = name.replace("_", "-")
            raise InputError(
                f"The two tuned files are for different {name.replace('_', ' ')}: say with --{flag} which to "
                "compare them at."
            )
        found[name] = next(iter(known), None)
    return Asked(**found)


def contenders_of(
    sides: Sequence[Named],
    files: ModelFiles,
    shapes: Mapping[str, Shape],
    metric: Metric,
    workload: Workload,
    topology: Topology,
) -> tuple[Contenders, tuple[str, ...]]:
    """Return the arms of both sides and of the hints, and warnings where a side was tuned for something else.

    Raises:
        SpaceError: a config can't run here, or means nothing to the model.
        ModelError: the model can't be read.
    """
    named = (*sides, *(read_side(f"{HINT}{hint}") for hint in ("latency", "throughput")))
    requests = [requests_of(side.config, [metric], workload) for side in named]
    plans = [
        _plans_of_side(side, files, shapes, nireq, topology) for side, nireq in zip(named, requests, strict=True)
    ]
    specs = [
        ArmSpec(plans=of_side, workload=workload.batched(side.batch))
        for side, (of_side, _) in zip(named, plans, strict=True)
    ]
    warnings = (*(warning for _, warning in plans), *(_inputs_warning(side, workload) for side in sides))
    strict_a, strict_b = (files.generates and lossy(side.settings, topology.machine) for side in sides)
    contenders = Contenders(a=specs[0], b=specs[1], hints=tuple(specs[2:]), strict=(strict_a, strict_b))
    return contenders, tuple(warning for warning in warnings if warning is not None)


def _inputs_warning(side: Named, workload: Workload) -> str | None:
    inputs = SEEDED if side.tuned is None else side.tuned.workload.inputs
    if workload.data is not None or inputs == SEEDED:
        return None
    return f"{side.text}: it was tuned on the inputs of {inputs}, made-up ones are compared: name it with --data"


def _plans_of_side(
    side: Named, files: ModelFiles, shapes: Mapping[str, Shape], nireq: int | None, topology: Topology
) -> tuple[tuple[Plan, ...], str | None]:
    """Return what the workers of `side` do, and a warning where it was tuned for something else.

    A tuned file brings its own `nireq`.
    """
    if side.tuned is None:
        if reason := config_dropped(side.config, files.generates):
            raise SpaceError(f"{side.config}: {reason}.")
        masks = affinity(side.config, topology.machine, topology.envelope)
        return plans_of(side.config, masks, files, shapes, nireq), None
    decision, profile = decide(side.tuned, files, topology)
    plans = tuned_plans(side.tuned, profile, files, shapes)
    return plans, None if decision.applied else f"{side.text}: {decision.reason}; it is compared all the same"
