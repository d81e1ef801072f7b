"""Chooses another point of a tuned.yaml's Pareto front, without measuring.

What ships must be proven faster than the baselines in what is preferred, as after a tuning; otherwise the baseline
ships.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from autotp.deploy.guard import model_files_path
from autotp.deploy.tuned import Objective, ParetoPoint, Profile, Result, Tuned
from autotp.errors import InputError
from autotp.files.links import as_given, relative_to_folder
from autotp.findings.interval import UNITY
from autotp.findings.metric import METRICS
from autotp.findings.ruling import Ruling
from autotp.space.knobs.config import Config

KNEE = "knee"


def select(tuned: Tuned, preferred: str) -> Tuned:
    """Return `tuned` with the point of its front that is best in `preferred`.

    Args:
        tuned: the result of a tuning for several objectives.
        preferred: one of the objectives, which then comes first; or `knee`, the point that gives up least in any.

    Raises:
        InputError: the file has no front, or one of an earlier autotp; there is no such objective, or no knee.
    """
    (profile, *others), metrics = tuned.profiles, tuned.objective.metrics
    if not profile.pareto:
        raise InputError("It was tuned for one objective, so there is nothing to select from.")
    if any(point.workload is msgspec.UNSET for point in profile.pareto):
        raise InputError(
            "Its front was written by an earlier autotp, which didn't keep what is needed: tune again."
        )
    if preferred not in (*metrics, KNEE):
        raise InputError(f"It wasn't tuned for {preferred!r}; prefer {', '.join(metrics)} or {KNEE}.")
    metric = metrics[0] if preferred == KNEE else preferred
    point = _knee(profile.pareto) if preferred == KNEE else _best(metric, profile.pareto)
    objective = Objective(
        metrics=(metric, *(name for name in metrics if name != metric)), constraints=tuned.objective.constraints
    )
    if point is None:
        point = _baseline(tuned, profile)
    workload = point.workload or tuned.workload
    profiles = (_with_point(profile, point, metric), *others)
    return msgspec.structs.replace(tuned, workload=workload, objective=objective, profiles=profiles)


def moved(tuned: Tuned, path: Path, to: Path) -> Tuned:
    """Return what the tuned.yaml at `path` holds as it is written to `to`: it must find the model from there."""
    if path.parent.resolve() == to.parent.resolve():
        return tuned
    model = model_files_path(tuned, path)
    stored = str(relative_to_folder(model, to.parent) or as_given(model))
    return msgspec.structs.replace(tuned, model=msgspec.structs.replace(tuned.model, path=stored))


def _best(metric: str, front: Sequence[ParetoPoint]) -> ParetoPoint | None:
    """Return the best in `metric` of the points that are proven to be faster in it; None if none is."""
    proven = [point for point in front if metric in point.proven]
    return min(proven, key=lambda point: METRICS[metric].loss(point.metrics), default=None)


def _knee(front: Sequence[ParetoPoint]) -> ParetoPoint:
    knee = next((point for point in front if point.knee is True), None)
    if knee is None:
        raise InputError("Its front has no knee: it holds fewer than three points.")
    return knee


def _with_point(profile: Profile, point: ParetoPoint, metric: str) -> Profile:
    config = Config.of(point.config)
    result = Result(
        verdict=Ruling.WIN if metric in point.proven else Ruling.TIE,
        gain=UNITY if point.config == profile.result.baseline.config else point.gains[metric],
        baseline=profile.result.baseline,
        metrics=point.metrics,
        outputs=point.outputs or None,
        unmeasured=profile.result.unmeasured,
    )
    return msgspec.structs.replace(
        profile,
        config=config.to_dict(),
        properties=config.properties(),
        affinity=point.affinity or None,
        effective=point.effective or None,
        proof=point.proof or None,
        result=result,
    )


def _baseline(tuned: Tuned, profile: Profile) -> ParetoPoint:
    """Return the baseline, of which only the front may know what was observed."""
    baseline = profile.result.baseline
    on_front = [point for point in profile.pareto if point.config == baseline.config]
    plain = ParetoPoint(
        config=baseline.config,
        metrics=baseline.metrics,
        workload=msgspec.structs.replace(tuned.workload, nireq=None),
    )
    return next(iter(on_front), plain)
