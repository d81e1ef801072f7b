"""Events of a tuning, passed to a listener as they happen; the command line prints them."""

from collections.abc import Callable
from typing import Any

import msgspec

from autotp.deploy.tuned import Tuned
from autotp.findings.interval import Interval
from autotp.findings.proof import Proof
from autotp.measuring.lock import Holder
from autotp.measuring.rounds.noise import Noise
from autotp.measuring.workload.registry import AnyWorkload
from autotp.topology.health.advice import Advice


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Base of all events; in JSON, the field `event` names the kind."""


class Waiting(Event, frozen=True, tag="waiting"):
    """Another process is measuring on this machine; the tuning and its budget start when that one is done."""

    holder: Holder


class TuningBegan(Event, frozen=True, tag="began"):
    """The study is open and the space is bound to this machine.

    Attributes:
        study: its name.
        out: the folder of the study.
        budget_s: the wall time that the tuning may take.
        configs: how many configs the space holds here.
        effective_configs: how many of them OpenVINO may treat differently.
        workload: how the model is driven.
        dropped: parts of the space that can't be used here, each with the reason.
        advice: what may disturb the measurements.
        warm_start: how many of the best configs of another tuning are tried first, and how many there are; None
            without one. The others aren't in this space, or can't run here.
    """

    study: str
    out: str
    budget_s: float
    configs: int
    effective_configs: int
    workload: AnyWorkload
    dropped: tuple[tuple[str, str], ...]
    advice: tuple[Advice, ...] = ()
    warm_start: tuple[int, int] | None = None


class BaselinesRaced(Event, frozen=True, tag="baselined"):
    """The baselines have been raced.

    Attributes:
        baseline: the config of the best one.
        metrics: its figures, by key.
        aliases: configs that OpenVINO treats as another baseline.
        beyond_tolerance: configs whose output error is larger than the user's tolerance, each with the reason.
        unproven: configs whose tensor parallelism isn't active, each with the proof.
        unchecked: outputs that can't be checked, each with the reason.
    """

    baseline: dict[str, Any]
    metrics: dict[str, float]
    aliases: tuple[dict[str, Any], ...] = ()
    beyond_tolerance: tuple[tuple[dict[str, Any], str], ...] = ()
    unproven: tuple[tuple[dict[str, Any], Proof], ...] = ()
    unchecked: dict[str, str] = {}


class ArmsTakeTurns(Event, frozen=True, tag="turns"):
    """Memory doesn't hold the arms side by side, so each block starts its arm anew, which takes `start_s`."""

    start_s: float


class BudgetTooShort(Event, frozen=True, tag="short_budget"):
    """The budget can't hold a verdict, by how long starts and blocks of the baselines take.

    Attributes:
        budget_s: the budget.
        shortest_s: about the shortest one that would do.
        start_s: how long an arm takes to start.
        block_s: how long a block takes.
    """

    budget_s: float
    shortest_s: float
    start_s: float
    block_s: float


class NoiseMeasured(Event, frozen=True, tag="noise"):
    """The best baseline has been run against itself in new processes; without `noise`, `reason` says why not.

    `by_count` says that blocks are made of a number of steps, not of a duration.
    """

    noise: Noise | None = None
    reason: str | None = None
    by_count: bool = False


class ArmEnded(Event, frozen=True, tag="arm"):
    """An arm of the search was dropped, was raced long enough, or failed; or a baseline failed.

    A baseline that failed for the first time goes on in new processes; `reason` says so. `gain` is relative to the
    best baseline and comes from the search alone.
    """

    trial: int
    config: dict[str, Any]
    status: str
    gain: Interval | None = None
    rounds: int = 0
    proof: str | None = None
    reason: str | None = None


class ChanceLeft(Event, frozen=True, tag="chance"):
    """How likely it is that the search would find anything better if it went on; it ends below 5 %.

    Attributes:
        chance: that something not measured yet is better than the best by more than `smallest_gain`.
        smallest_gain: about the smallest ratio that the finals can prove.
        measured: how many configs were measured.
    """

    chance: float
    smallest_gain: float
    measured: int


class SweepEnded(Event, frozen=True, tag="sweep"):
    """In an exhaustive search, each of so many `configs` has been measured in so many `processes`."""

    configs: int
    processes: int


class PlayOffBegan(Event, frozen=True, tag="play_off"):
    """More candidates may be the best than the finals have room for, so these race again."""

    candidates: tuple[dict[str, Any], ...]


class FinalsBegan(Event, frozen=True, tag="finals"):
    """Finalists and baselines are about to be measured, in this many `processes` each and `rounds` in each.

    That is the plan: behind time they are fewer, ahead of time more processes follow.
    """

    finalists: tuple[dict[str, Any], ...]
    baselines: tuple[dict[str, Any], ...]
    processes: int
    rounds: int


class FinalsEnded(Event, frozen=True, tag="final"):
    """The finals measured this gain for one finalist."""

    config: dict[str, Any]
    gain: Interval
    noise_floor: float | None
    processes: int


class WeatherCounted(Event, frozen=True, tag="weather"):
    """How many of all `blocks` other processes disturbed: those run again, and those kept although disturbed."""

    blocks: int
    repeated: int
    kept: int


class VerdictReached(Event, frozen=True, tag="verdict"):
    """The tuning has ended with the result `tuned`.

    Attributes:
        tuned: the content that was written to `path`, unless `kept`.
        path: that of tuned.yaml.
        kept: the proven result of an earlier study, which `path` held before and still holds, because `tuned` is
            inconclusive; else None.
    """

    tuned: Tuned
    path: str
    kept: Tuned | None = None


Listener = Callable[[Event], None]
