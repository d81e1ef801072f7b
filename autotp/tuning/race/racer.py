"""Racers: arms in the race, with their blocks, and the baselines among them."""

import msgspec

from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.samples.block import Block
from autotp.space.knobs.config import Config
from autotp.tuning.study.block_columns import Row
from autotp.tuning.study.study import Trial


class Racer(msgspec.Struct, eq=False):
    """An arm in the race, with its blocks of all rounds that it took part in.

    Attributes:
        key: identifies it in the race and in the finals.
        config: the config that is measured.
        observed: what OpenVINO made of the config.
        arm: controls its processes.
        trial: its record in the study.
        blocks: by round number.
        failure: why it failed, if it did.
        is_second: whether it was started again after a failure.
    """

    key: str
    config: Config
    observed: Observed
    arm: Arm
    trial: Trial
    blocks: dict[int, Block] = {}
    failure: ArmFailure | None = None
    is_second: bool = False

    @property
    def rows(self) -> list[Row]:
        """The raw blocks, for the study."""
        return [(0, round_, block) for round_, block in self.blocks.items()]


class Baselines(msgspec.Struct, frozen=True):
    """What a win must beat: the best baseline, which gains are relative to, and the others not proven slower.

    `unmeasured` are hints that failed, each with the reason.
    """

    best: Racer
    others: tuple[Racer, ...] = ()
    unmeasured: tuple[tuple[Config, str], ...] = ()

    @property
    def all(self) -> tuple[Racer, ...]:
        """The baselines that a win must beat, the best first."""
        return (self.best, *self.others)
