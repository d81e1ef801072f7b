"""Who races: arms with their blocks, and those of them that are baselines."""

import msgspec

from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.samples.block import Block
from autotp.space import Config
from autotp.tuning.study.block_columns import Row
from autotp.tuning.study.study import Trial


class Racer(msgspec.Struct, eq=False):
    """An arm in the race: its process group and its block of each round that it took part in.

    Attributes:
        key: its name in the race and in the finals.
        config: what is measured.
        observed: what OpenVINO made of that.
        arm: its processes.
        trial: its record in the study.
        blocks: by the number of the round.
        failure: why it is out, if it failed.
        is_second: whether these are its second processes, as the first failed.
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
    """What a win must beat: the best baseline, which every gain is relative to, and others not proven slower."""

    best: Racer
    others: tuple[Racer, ...] = ()

    @property
    def sound(self) -> tuple[Racer, ...]:
        """Those that haven't failed for good, the best first."""
        return tuple(racer for racer in (self.best, *self.others) if racer.failure is None)
