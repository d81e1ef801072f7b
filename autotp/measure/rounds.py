"""Rounds: one block of every live arm, in random order, while all other arms are idle.

Neighbours, frequency and temperature drift over seconds; arms that share a round share the drift, so their
ratio within the round is far steadier than either figure.
"""

import random
from collections.abc import Mapping

from autotp.measure.arm import Arm
from autotp.measure.protocol import ArmFailure, Block

BLOCK_S = 0.05
INFERENCES_PER_BLOCK = 8


def run_round(arms: Mapping[str, Arm], duration_s: float, rng: random.Random) -> dict[str, Block | ArmFailure]:
    """Run one block of each arm and return, by the same keys, the block or how the arm failed."""
    order = list(arms)
    rng.shuffle(order)
    results: dict[str, Block | ArmFailure] = {}
    for key in order:
        try:
            results[key] = arms[key].block(duration_s)
        except ArmFailure as failure:
            results[key] = failure
    return results


def block_length_s(latency_s: float, longest_s: float) -> float:
    """Return how long blocks should be: 50 ms or eight inferences of that latency, but at most `longest_s`."""
    return min(max(BLOCK_S, INFERENCES_PER_BLOCK * latency_s), max(BLOCK_S, longest_s))
