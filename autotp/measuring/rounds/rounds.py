"""Rounds: one block of every live arm, in random order, while all other arms are idle.

Neighbours, frequency and temperature drift over seconds; arms that share a round share the drift, so their
ratio within the round is far steadier than either figure.
"""

import random
from collections.abc import Mapping

import msgspec

from autotp.measuring.failure import ArmFailure
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.blocks import Blocks
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.weather import Patience


def run_round(
    arms: Mapping[str, Arm], blocks: Blocks, rng: random.Random, patience: Patience, number: int = 0
) -> dict[str, Block | ArmFailure]:
    """Run one block of each arm, all with the same arrivals; return by key the block or how the arm failed.

    `number` is that of the round, in which all are at the same place of a generation. A block that others
    disturbed is run again as long as `patience` lasts.
    """
    order = list(arms)
    rng.shuffle(order)
    seed = rng.getrandbits(32)
    results: dict[str, Block | ArmFailure] = {}
    for key in order:
        try:
            results[key] = _undisturbed(arms[key], blocks, seed, number, patience)
        except ArmFailure as failure:
            results[key] = failure
    return results


def _undisturbed(arm: Arm, blocks: Blocks, seed: int, number: int, patience: Patience) -> Block:
    dropped = 0
    while patience.drops(block := blocks.run(arm, seed, number), tries=dropped + 1):
        dropped += 1
    return msgspec.structs.replace(block, dropped=dropped) if dropped else block
