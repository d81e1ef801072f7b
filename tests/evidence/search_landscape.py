"""How the search scales: a generated landscape of 8 sockets with 64 cores each, from a hundred configs to a
million.

    python -m tests.evidence.search_landscape [--seeds 20] [--out FILE]

The landscape is an analytic model, said to be one; nothing in it was measured, and no figure of it is a gain of
OpenVINO's. An inference is serial work plus parallel work over a stream's threads (Amdahl's law); threads beyond
the cores help little; streams share the bandwidth of the sockets' memory; a stream that spans sockets pays for
it; too few requests leave streams idle; precision and pinning multiply. It has many local optima, as streams and
threads only fit together in some pairs. Each size has finer values of the same knobs. For each, the proposer of
`autotp tune` measures until it has found a config within 2 % of the best, with noise of 1 %: how many
measurements that takes, and how long choosing takes. Exit 0: the median number of measurements grows at most
with the logarithm of the number of configs. Exit 1: it grows faster.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from math import log10
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from autotp.space.bound_space import BoundSpace, bind
from autotp.space.schema.space_file import parse_space
from autotp.topology.probe import probe
from autotp.tuning.propose.features import Column
from tests.evidence.outcomes import keep
from tests.evidence.replays.searches import Ours
from tests.support.trees import Described, build

SOCKETS, CORES = 8, 64
MACHINE = Described(sockets=SOCKETS, cores_per_node=CORES)
ALL_CORES = SOCKETS * CORES
FACTORS = (1, 2, 4, 3, 6, 8, 5, 10, 12, 16)  # of requests for each stream
# Values of streams, of threads, of these factors.
RESOLUTIONS = ((4, 4, 3), (9, 8, 3), (20, 24, 3), (60, 64, 3), (160, 200, 3), (512, 512, 3), (512, 512, 10))
NEAR = 0.02
NOISE = 0.01
MOST = 200  # measurements

SERIAL_S, PARALLEL_S = 0.2e-3, 64e-3  # of one inference on one core
STREAMS_A_SOCKET_FEEDS = 10.0
SPANNING = 1.15  # times longer for each doubling of sockets
CROWDED = 0.005  # of the speed, for each request of a stream beyond two

Values = NDArray[np.float64]


def space(streams: int, threads: int, factors: int) -> BoundSpace:
    """Return a space with so many values of streams, of threads and of requests for each stream here."""
    knobs: dict[str, Any] = {
        "num_streams": _spread(streams),
        "inference_num_threads": _spread(threads),
        "nireq": {"multiple_of": "num_streams", "by": list(FACTORS[:factors])},
        "inference_precision_hint": ["default", "f32"],
        "enable_cpu_pinning": ["default", False],
    }
    with tempfile.TemporaryDirectory() as folder:
        topology = probe(build(MACHINE, Path(folder) / "machine"))
    return bind(parse_space({"knobs": knobs}, "a landscape"), topology)


def _spread(count: int) -> list[int]:
    """Return about so many numbers from 1 to the number of cores, as many of each size."""
    return sorted({round(value) for value in np.geomspace(1, ALL_CORES, count).tolist()})


def columns_of(bound: BoundSpace) -> dict[str, Column]:
    """Return the knobs of the effective configs, as the proposer has them."""
    rows, found = bound.merged.rows, {}
    for knob in bound.knobs:
        codes = bound.grid.choices_of(knob.name)[rows]
        found[knob.name] = Column((*knob.choices, None), np.where(codes < 0, len(knob.choices), codes))
    return found


def rates(columns: dict[str, Column]) -> Values:
    """Return the inferences a second of each config, by the model."""
    streams = _numbers(columns["num_streams"], 1.0)
    threads = np.maximum(_numbers(columns["inference_num_threads"], float(ALL_CORES)), 1.0)
    requests = streams * _numbers(columns["nireq"], 1.0)
    each = np.maximum(1.0, np.floor(threads / streams))
    spanned = np.maximum(1.0, each / CORES)
    odd = 1.0 + 0.1 * (np.mod(CORES, np.minimum(each, CORES)) > 0)  # threads of a stream on two sockets
    one_s = SERIAL_S + PARALLEL_S / each**0.95 * SPANNING ** np.log2(spanned) * odd
    waiting = requests / streams - 1.0
    busy = (1.0 + 0.05 * np.minimum(1.0, waiting)) * (1.0 - CROWDED * np.maximum(0.0, waiting - 1.0))
    running = np.minimum(streams, ALL_CORES / each)
    contended = 1.0 + (running / (SOCKETS * STREAMS_A_SOCKET_FEEDS)) ** 2
    exact = np.where(_is(columns["inference_precision_hint"], "f32"), 0.6, 1.0)
    unpinned = np.where(_is(columns["enable_cpu_pinning"], False), 0.96, 1.0)
    found: Values = running * busy / one_s / contended * exact * unpinned
    return found


def _numbers(column: Column, absent: float) -> Values:
    levels = [float(level) if isinstance(level, int) else absent for level in column.levels]
    found: Values = np.array(levels)[column.codes]
    return found


def _is(column: Column, value: object) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.array([level == value for level in column.levels])[column.codes]
    return found


def search(columns: Sequence[Column], true: Values, seed: int) -> tuple[int | None, float, float]:
    """Return after how many measurements one within 2 % is found, the seconds of a choice, and the regret left."""
    rng, searcher = np.random.default_rng(seed), Ours(columns, seed)
    best, found, began = float(true.max()), 0.0, perf_counter()
    with threadpool_limits(limits=1, user_api="blas"):
        for count in range(1, min(MOST, len(true)) + 1):
            row = searcher.ask()
            assert row is not None
            searcher.tell(row, float(np.log(true[row]) + NOISE * rng.standard_normal()))
            found = max(found, float(true[row]))
            if found >= (1.0 - NEAR) * best:
                return count, (perf_counter() - began) / count, 1.0 - found / best
    return None, (perf_counter() - began) / count, 1.0 - found / best


def main(arguments: Sequence[str] | None = None) -> int:
    """Search each landscape with every seed, and say how the number of measurements grows."""
    parser = argparse.ArgumentParser(description="Search a generated landscape.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--resolutions", type=int, default=len(RESOLUTIONS), help="how many of them, coarse first")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    sizes = []
    for resolution in RESOLUTIONS[: chosen.resolutions]:
        columns = columns_of(space(*resolution))
        true = rates(columns)
        done = [search(list(columns.values()), true, seed) for seed in range(chosen.seeds)]
        counts = [count if count is not None else MOST for count, _, _ in done]
        sizes.append(
            {
                "configs": len(true),
                "share_within_2_percent": float(np.mean(true >= (1.0 - NEAR) * true.max())),
                "measurements": {"median": float(np.median(counts)), "p90": float(np.quantile(counts, 0.9))},
                "found": sum(count is not None for count, _, _ in done),
                "regret_p90": float(np.quantile([regret for _, _, regret in done], 0.9)),
                "choice_s": float(np.median([seconds for _, seconds, _ in done])),
            }
        )
        print(sizes[-1], file=sys.stderr)
    outcome = {"model": "analytic", "sockets": SOCKETS, "cores": ALL_CORES, "seeds": chosen.seeds, "sizes": sizes}
    keep(outcome, chosen.out)
    return 0 if grows_with_the_logarithm(sizes) else 1


def grows_with_the_logarithm(sizes: Sequence[dict[str, Any]]) -> bool:
    """Whether no size takes more measurements than the smallest, times the ratio of their logarithms."""
    first = sizes[0]
    per_decade = first["measurements"]["median"] / log10(first["configs"])
    return all(size["measurements"]["median"] <= per_decade * log10(size["configs"]) for size in sizes)


if __name__ == "__main__":
    sys.exit(main())
