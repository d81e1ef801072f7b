"""What happens during a tuning, reported to a listener; the command line prints it."""

from collections.abc import Callable
from typing import Any

import msgspec

from autotp.deploy.tuned import Tuned
from autotp.findings import Interval
from autotp.measuring.lock import Holder
from autotp.measuring.rounds.noise import Noise
from autotp.measuring.workload.registry import AnyWorkload
from autotp.topology import Advice


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Something that happened; in JSON, `event` names its kind."""


class Waiting(Event, frozen=True, tag="waiting"):
    """Something else measures on this machine; the tuning begins, and its budget with it, once that is done."""

    holder: Holder


class Began(Event, frozen=True, tag="began"):
    """The study is open and the space is bound; `advice` says what may disturb the measurements.

    `workload` is what drives the model.
    """

    study: str
    out: str
    budget_s: float
    configs: int
    effective_configs: int
    workload: AnyWorkload
    dropped: tuple[tuple[str, str], ...]
    advice: tuple[Advice, ...] = ()


class Baselined(Event, frozen=True, tag="baselined"):
    """The hints have been raced; `baseline` is the best of them."""

    baseline: dict[str, Any]
    metrics: dict[str, float]
    aliases: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


class NoiseMeasured(Event, frozen=True, tag="noise"):
    """The best baseline has been run against itself, in processes of its own, or why it couldn't be."""

    noise: Noise | None = None
    reason: str | None = None
    by_count: bool = False


class ArmEnded(Event, frozen=True, tag="arm"):
    """An arm was dropped, settled or failed. `gain` is relative to the baseline, from the search alone."""

    trial: int
    config: dict[str, Any]
    status: str
    gain: Interval | None = None
    rounds: int = 0
    proof: str | None = None
    reason: str | None = None


class PlayOffBegan(Event, frozen=True, tag="play_off"):
    """More candidates than fit into the finals may be the best; they race again."""

    candidates: tuple[dict[str, Any], ...]


class FinalsBegan(Event, frozen=True, tag="finals"):
    """Finalists and baselines are about to be measured in fresh processes."""

    finalists: tuple[dict[str, Any], ...]
    baselines: tuple[dict[str, Any], ...]
    processes: int
    rounds: int


class FinalsEnded(Event, frozen=True, tag="final"):
    """What the fresh processes say of one finalist."""

    config: dict[str, Any]
    gain: Interval
    noise_floor: float | None
    processes: int


class Weathered(Event, frozen=True, tag="weather"):
    """How many blocks others disturbed: run again instead, and counted all the same."""

    blocks: int
    repeated: int
    kept: int


class Ruled(Event, frozen=True, tag="verdict"):
    """tuned.yaml is written: its content and its path."""

    tuned: Tuned
    path: str


Listener = Callable[[Event], None]
