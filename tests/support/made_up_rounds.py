"""Rounds as they might have been recorded, with noise and drift that a test chooses."""

import random

from autotp.measuring.samples.block import Block
from tests.support.replayed import Recording


def made_up(noise: float, drift: float = 0.0, waves: int = 8, rounds: int = 40) -> Recording:
    """Six arms whose rates are spread by `noise` each, and by `drift` all together from round to round."""
    rng = random.Random(0)

    def row() -> list[Block]:
        shared = rng.gauss(0, drift)
        return [_block(0.05 * (1.0 + shared + rng.gauss(0, noise))) for _ in range(6)]

    return Recording("made up", [[row() for _ in range(rounds)] for _ in range(waves)], arm_start_s=0.2)


def _block(elapsed_s: float) -> Block:
    return Block(count=10, elapsed_s=elapsed_s, latencies_s=(elapsed_s / 10,) * 2, memory_bytes=1)
