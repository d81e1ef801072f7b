"""The content of tuned.yaml (format version 1), and the one place that reads and writes it."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from autotp.errors import SpaceError, TunedError
from autotp.files.atomic import write_atomically
from autotp.files.yaml_loader import load_yaml, to_type
from autotp.files.yaml_writer import dump_yaml
from autotp.findings.ceiling import Ceiling
from autotp.findings.interval import Interval
from autotp.findings.proof import Proof
from autotp.findings.ruling import Ruling
from autotp.runtime.models.language import Attention
from autotp.runtime.models.model_files import ModelKind
from autotp.runtime.models.read import Shape
from autotp.space.aliases.effective import Effective
from autotp.space.knobs.config import Config
from autotp.topology.tree.cpulist import parse_cpulist

VERSION = 1
SEEDED = "seeded"  # inputs are random, from a seed


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the file; an unknown key in it is an error."""


class TunedModel(_Part, frozen=True):
    """The model that was tuned; `path` is as it was given, relative to the folder of the file where possible."""

    path: str
    kind: ModelKind
    graph_sha256: str
    weights_bytes: int
    shapes: dict[str, Shape] = {}


class TunedWorkload(_Part, frozen=True):
    """How the model was driven when measured.

    `nireq` is applied by `load` (null: OpenVINO's optimum). `inputs` is `seeded` or the name of a data file.
    `data_dependent` is whether the model's time depends on its inputs; if so, every arm ran whole passes over the
    same `sample_count` samples. `options` holds settings that only this kind of workload has.
    """

    kind: str
    nireq: Annotated[int, msgspec.Meta(ge=1)] | None
    inputs: str = SEEDED
    seed: int = 0
    rate_per_s: float | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    batch: int | None = None
    attention_backend: Attention | None = None
    data_dependent: bool | msgspec.UnsetType = msgspec.UNSET
    sample_count: int | msgspec.UnsetType = msgspec.UNSET
    options: dict[str, int | float | str] | msgspec.UnsetType = msgspec.UNSET


class Objective(_Part, frozen=True):
    """The objectives, of which the first decides the verdict, and the constraints as the user wrote them."""

    metrics: tuple[str, ...]
    constraints: tuple[str, ...] = ()


class TunedMachine(_Part, frozen=True):
    """The fingerprint of machine and envelope, and the facts behind it."""

    fingerprint: str
    hard: dict[str, Any]
    soft: dict[str, Any]


class TunedBaseline(_Part, frozen=True):
    """The config that the gain is relative to: OpenVINO's hint, or the user's own settings if `own`."""

    config: dict[str, Any]
    metrics: dict[str, float] = {}
    own: bool | msgspec.UnsetType = msgspec.UNSET


class TunedOutputs(_Part, frozen=True):
    """The largest errors of the outputs against the reference: the tuned config's and the baseline's.

    If some outputs couldn't be checked, `unchecked` holds the reason by name, and `checked` names the others.
    """

    max_abs_error: float
    baseline_max_abs_error: float
    reference: str = "f32, one stream, no split"
    checked: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    unchecked: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class UnmeasuredHint(_Part, frozen=True):
    """One of OpenVINO's hints that failed, so that nothing is known of its speed."""

    config: dict[str, Any]
    reason: str


class KnobEffect(_Part, frozen=True):
    """How many times better the tuned config is with these settings than with OpenVINO's choice of them alone."""

    settings: dict[str, Any]
    gain: Interval


class Result(_Part, frozen=True):
    """The verdict and the evidence for it.

    `verdict` is never LOSE. `gain` is the gain of the tuned config; 1, 1, 1 if it is the baseline. The last seven
    keys are optional: `reason` says why the verdict isn't clearer, `others` holds the gains in metrics that are no
    objectives, `left_out` lists objectives whose best candidate wasn't in the finals, `unmeasured` the hints that
    the verdict doesn't cover because they failed, `effects` what single knobs do, by the search alone,
    `importance` the share of each knob in what separates the search's best quarter, and `ceiling` what bounds any
    gain here.
    """

    verdict: Ruling
    gain: Interval
    baseline: TunedBaseline
    metrics: dict[str, float] = {}
    noise_floor: float | None = None
    outputs: TunedOutputs | None = None
    reason: str | msgspec.UnsetType = msgspec.UNSET
    others: dict[str, Interval] | msgspec.UnsetType = msgspec.UNSET
    left_out: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    unmeasured: tuple[UnmeasuredHint, ...] | msgspec.UnsetType = msgspec.UNSET
    effects: tuple[KnobEffect, ...] | msgspec.UnsetType = msgspec.UNSET
    importance: dict[str, float] | msgspec.UnsetType = msgspec.UNSET
    ceiling: Ceiling | msgspec.UnsetType = msgspec.UNSET


class ParetoPoint(_Part, frozen=True):
    """A config of the Pareto front: no other measured config is better in every objective.

    Attributes:
        costs: by objective, how many times worse it is than the best config of the front.
        gains: by objective, how many times better it is than the best baseline.
        proven: the objectives in which it would be a WIN: it is proven faster than every baseline, and keeps the
            constraints.
        knee: whether it is the one that gives up least, at its worst, of what separates the ends of the front.
        workload, affinity, effective, proof, outputs: what `select` puts in place of those of the file.
    """

    config: dict[str, Any]
    metrics: dict[str, float]
    costs: dict[str, Interval] = {}
    gains: dict[str, Interval] = {}
    proven: tuple[str, ...] = ()
    knee: bool | msgspec.UnsetType = msgspec.UNSET
    workload: TunedWorkload | msgspec.UnsetType = msgspec.UNSET
    affinity: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    effective: Effective | msgspec.UnsetType = msgspec.UNSET
    proof: Proof | msgspec.UnsetType = msgspec.UNSET
    outputs: TunedOutputs | msgspec.UnsetType = msgspec.UNSET


class Profile(_Part, frozen=True):
    """What to deploy on one machine, and why."""

    machine: TunedMachine
    config: dict[str, Any]
    properties: dict[str, str]
    result: Result
    affinity: tuple[str, ...] | None = None
    effective: Effective | None = None
    proof: Proof | None = None
    pareto: tuple[ParetoPoint, ...] = ()


class TunedStudy(_Part, frozen=True):
    """The study that holds the evidence. `storage` never holds a password.

    `kept` is set if a later tuning was inconclusive and this result was kept; it says why that was so.
    """

    name: str
    storage: str
    trials: int
    rounds: int
    seed: int
    started: str
    duration_s: float
    autotp: str
    openvino: str | None
    kept: str | msgspec.UnsetType = msgspec.UNSET


class Tuned(_Part, frozen=True):
    """The content of a tuned.yaml."""

    autotp: int
    model: TunedModel
    workload: TunedWorkload
    objective: Objective
    profiles: tuple[Profile, ...]
    study: TunedStudy


def read_tuned(path: str | Path) -> Tuned:
    """Read and check the tuned.yaml `path`.

    Raises:
        TunedError: it can't be read, isn't a tuned.yaml, holds an unknown key, or is from a newer autotp.
    """
    path = Path(path)
    data = load_yaml(path, TunedError)
    if not isinstance(data, dict) or type(data.get("autotp")) is not int or data["autotp"] < 1:
        raise TunedError(f"{path} is not a tuned.yaml: it has no key `autotp` with the format's version.")
    if data["autotp"] > VERSION:
        raise TunedError(
            f"{path} was written by a newer autotp (format {data['autotp']}, this one reads {VERSION}): "
            "upgrade autotp."
        )
    tuned = to_type(data, Tuned, str(path), TunedError)
    if not tuned.profiles:
        raise TunedError(f"{path} holds no profile; tune again.")
    try:
        for profile in tuned.profiles:
            _check(profile)
    except (SpaceError, ValueError) as error:
        raise TunedError(f"{path}: {str(error).rstrip('.')}.") from error
    return tuned


def _check(profile: Profile) -> None:
    """Check what the types can't: the verdict, the configs' knobs and values, and CPU lists."""
    if profile.result.verdict is Ruling.LOSE:
        raise ValueError("result.verdict: 'lose' isn't one of win, tie, unknown")
    for config in (profile.config, profile.result.baseline.config, *(point.config for point in profile.pareto)):
        Config.of(config)
    if profile.affinity is not None and not all(parse_cpulist(mask) for mask in profile.affinity or ("",)):
        raise ValueError("affinity: an empty mask; it takes null or lists of CPUs such as 0-15")


def write_tuned(path: Path, tuned: Tuned, comment: str) -> None:
    """Write `comment` (three lines) and `tuned` to `path`, atomically."""
    write_atomically(path, dump_yaml(tuned, comment))
