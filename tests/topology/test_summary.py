"""The JSON of `autotp probe`."""

import json
from pathlib import Path

from autotp.topology.probe import probe
from autotp.topology.summary import summary
from tests.support.cpu_tables import NODE, files, two_sockets
from tests.support.recorded_files import write


def test_the_summary_is_json_with_the_promised_keys(tmp_path: Path) -> None:
    """All keys are there, lists are lists, unknown and unlimited is null, and no group's own name is shown."""
    tree = files(two_sockets()) | {
        f"{NODE}/node0/distance": "10 21",
        f"{NODE}/node0/meminfo": "Node 0 MemTotal: 1024 kB",
        "proc/self/cgroup": "0::/user.slice/alice.scope",
        "sys/fs/cgroup/user.slice/alice.scope/cpu.max": "150000 100000",
    }
    found = summary(probe(write(tmp_path, tree)))
    assert json.loads(json.dumps(found)) == found
    assert found | {"fingerprint": None} == {
        "sockets": 2,
        "numa_nodes": 2,
        "cores": 4,
        "logical_cpus": 8,
        "smt": 2,
        "performance_cores": 4,
        "efficient_cores": 0,
        "nodes": [
            {"id": 0, "sockets": [0], "cpus": [0, 1, 4, 5], "memory_bytes": 2**20, "distances": [10, 21]},
            {"id": 1, "sockets": [1], "cpus": [2, 3, 6, 7], "memory_bytes": None, "distances": []},
        ],
        "cpu": {"brand": None, "isa": []},
        "caches": [],
        "envelope": {
            "cpus": list(range(8)),
            "cpu_quota": 1.5,
            "cpu_quota_period_s": 0.1,
            "memory_limit_bytes": None,
            "reasons": {
                "cpus": "every",
                "cpuset_folder": None,
                "cpu_quota_folder": "/sys/fs/cgroup/user.slice/group-1",
                "memory_limit_folder": None,
            },
        },
        "fingerprint": None,
    }


def test_a_brand_overrides_the_model_name(tmp_path: Path) -> None:
    """A recorded machine is named by /proc/cpuinfo unless the caller knows better."""
    root = write(tmp_path, files(two_sockets()) | {"proc/cpuinfo": "processor : 0\nmodel name : Xeon\n"})
    assert summary(probe(root))["cpu"] == {"brand": "Xeon", "isa": []}
    assert summary(probe(root), "Xeon Gold")["cpu"] == {"brand": "Xeon Gold", "isa": []}
