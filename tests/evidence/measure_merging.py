"""Measures how long a space of a million configs takes to bind and merge on a machine of 8 sockets and 512 cores.

python -m tests.evidence.measure_merging [--out FILE]
"""

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from autotp.space.bound_space import bind
from autotp.space.schema.space_file import parse_space
from autotp.topology.probe import probe
from tests.support.trees import Described, build

MACHINE = Described(sockets=8, cores_per_node=64, smt=2)
LIMIT_S = 2.0
LIMIT_BYTES = 500 * 10**6
KNOBS: dict[str, Any] = {
    "performance_hint": ["latency", "throughput", "none"],
    "num_streams": ["default", "per_socket", "divisors", *range(1, 49)],
    "inference_num_threads": ["default", *range(32, 1025, 32)],
    "nireq": {"multiple_of": "num_streams", "by": [1, 2, 4, 8]},
    "enable_hyper_threading": ["default", True, False],
    "enable_cpu_pinning": ["default", False],
    "inference_precision_hint": ["default", "f32"],
    "distribution_policy": {"values": ["none", "tensor_parallel"], "when": {"num_streams": 1}},
    "split_count": {"values": ["each_socket"], "when": {"distribution_policy": "tensor_parallel"}},
    "numa_nodes": ["default", 1, 2, 4],
}


def merge_a_million() -> dict[str, Any]:
    """Bind and merge the space and return its counts, the seconds that took and this process's peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        topology = probe(build(MACHINE, Path(folder) / "machine"))
    space = parse_space({"knobs": KNOBS}, "a million configs")
    started, busy = perf_counter(), process_time()
    bound = bind(space, topology)
    census = bound.census()
    return {
        "seconds": round(perf_counter() - started, 2),
        "cpu_seconds": round(process_time() - busy, 2),
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "combinations": bound.grid.size,
        "configs": census.configs,
        "effective_configs": census.effective_configs,
    }


def main() -> int:
    """Measure, print and keep the outcome; 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the outcome as JSON")
    given = parser.parse_args()
    outcome = merge_a_million()
    print(json.dumps(outcome))
    if given.out is not None:
        given.out.write_text(json.dumps(outcome, indent=2) + "\n")
    return 0 if outcome["seconds"] < LIMIT_S and outcome["memory_bytes"] < LIMIT_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
