"""What measuring costs, in seconds of a recorded table's own starts and blocks."""

import numpy as np

from autotp.measuring.rounds.waves import ENOUGH_ROUNDS
from autotp.measuring.samples.statistics import MIN_PROCESSES
from tests.evidence.replays.recorded import RecordedTable, Row

BASELINE_ARMS = 2  # the baseline, and the baseline again


def start_s(row: Row) -> float:
    """Return how long a process of `row` takes to start, compile and warm up."""
    return float(np.median([process.start_s for process in row.processes]))


def block_s(row: Row) -> float:
    """Return how long a block of `row` takes."""
    return float(np.median(np.concatenate([process.block_s for process in row.processes])))


def proof_cost_s(row: Row, rounds: int = ENOUGH_ROUNDS) -> float:
    """Return what it costs to measure `row` as a finalist: six processes, each with so many blocks."""
    return MIN_PROCESSES * (start_s(row) + rounds * block_s(row))


def exhaustive_cost_s(table: RecordedTable) -> float:
    """Return what it costs to measure every config as a finalist, beside the baseline, which runs twice."""
    each = [proof_cost_s(row) for row in table.measured]
    return sum(each) + BASELINE_ARMS * float(np.median(each))
