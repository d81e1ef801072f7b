"""The interface of a bench: it turns configs into running arms, checks their outputs, and profiles them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from autotp.findings.metric import Samples
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.observed import Observed, Outcome
from autotp.measuring.parent.watchdog import PhaseClock
from autotp.measuring.protocol import Profiled
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.samples.block import Block
from autotp.space.knobs.config import Config


class FirstLook(msgspec.Struct, frozen=True):
    """How many seconds an arm took to start, and its first block."""

    start_s: float
    block: Block


class Bench(Protocol):
    """Makes arms from configs.

    Attributes:
        arm_start_s: the longest time that an arm needed so far to start and warm up, without comparing outputs,
            which those of the finals don't.
    """

    arm_start_s: float

    @property
    def clock(self) -> PhaseClock:
        """The time limits of workers, and the time spent waiting for them."""

    @property
    def room(self) -> int:
        """How many more arms fit into the free memory, if each takes as much as the largest so far."""

    @property
    def unchecked(self) -> Mapping[str, str]:
        """The outputs whose values aren't judged, each with the reason; known once the hints are accepted."""

    def record_reference(self) -> None:
        """Compute the reference outputs once.

        Raises:
            ArmFailure: the reference can't be run.
        """

    def take_turns(self, config: Config) -> float | None:
        """Let arms take turns if memory doesn't hold several like `config` at once.

        Returns:
            How many seconds each turn takes to start, which `arm_start_s` then leaves out; None without turns.
        """

    def first_look(self, config: Config, blocks: BlockSettings) -> FirstLook | None:
        """Start an arm of `config`, run a block of it, and stop it; None if it fails. No outputs are compared."""

    def accept_hints(self, hints: Mapping[Config, Observed]) -> None:
        """Accept output errors as large as the hints' worst."""

    def arm(self, config: Config, checked: bool = True) -> Arm:
        """Return an arm for `config`, not yet started; if `checked`, it compares its outputs with the reference.

        Raises:
            SpaceError: the config is INVALID here.
        """

    def start(self, configs: Sequence[Config], gated: bool = True) -> list[tuple[Arm, Outcome]]:
        """Start an arm for each of `configs`, side by side; return each with what was observed or its failure.

        Args:
            configs: configs that can run here.
            gated: whether wrong outputs are a failure; not so for the hints.
        """

    def wrong_output(self, config: Config, observed: Observed) -> ArmFailure | None:
        """Return the failure of an arm whose outputs the gate rejects; None if it accepts them."""

    def profile(self, config: Config, samples: Samples, memory_bytes: int) -> Profiled:
        """Return what an inference with `config` spends its time on, and how fast so much memory is read.

        Raises:
            ArmFailure: it can't be run.
        """

    def close(self) -> None:
        """Stop every arm that was made here."""
