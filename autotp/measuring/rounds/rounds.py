"""Rounds: one block of every live arm, in random order, while all other arms are idle.

Other load, frequency and temperature drift over seconds. All arms of a round are affected alike, so their ratio
within the round varies far less than their own figures.
"""

import random
from collections.abc import Mapping

import msgspec

from autotp.measuring.failure import ArmFailure
from autotp.measuring.rounds.arm import Arm
from autotp.measuring.rounds.blocks import BlockSettings
from autotp.measuring.samples.block import Block
from autotp.measuring.samples.weather import RepeatLimit


def run_round(
    arms: Mapping[str, Arm], blocks: BlockSettings, rng: random.Random, repeats: RepeatLimit, number: int = 0
) -> dict[str, Block | ArmFailure]:
    """Run one block of each arm, all with the same random arrivals; return the block or the arm's failure by key.

    `number` is that of the round; all its blocks are at the same place of a generation. A block that other load
    disturbed is run again, as far as `repeats` allows.
    """
    order = list(arms)
    rng.shuffle(order)
    seed = rng.getrandbits(32)
    results: dict[str, Block | ArmFailure] = {}
    for key in order:
        try:
            results[key] = _undisturbed(arms[key], blocks, seed, number, repeats)
        except ArmFailure as failure:
            results[key] = failure
    return results


def _undisturbed(arm: Arm, blocks: BlockSettings, seed: int, number: int, repeats: RepeatLimit) -> Block:
    dropped = 0
    while repeats.drops(block := blocks.run(arm, seed, number), tries=dropped + 1):
        dropped += 1
    return msgspec.structs.replace(block, dropped=dropped) if dropped else block
