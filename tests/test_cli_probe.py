"""`autotp probe`."""

import json
from pathlib import Path

from tests.test_cli_main import autotp
from tests.trees import Described, build

KEYS = {
    "sockets",
    "numa_nodes",
    "cores",
    "logical_cpus",
    "smt",
    "performance_cores",
    "efficient_cores",
    "nodes",
    "cpu",
    "caches",
    "envelope",
    "fingerprint",
}


def test_json_has_the_agreed_keys(tmp_path: Path) -> None:
    """One object with every key of the machine and the envelope of a recorded root."""
    root = build(Described(sockets=2, cores_per_node=2, smt=2), tmp_path)
    code, out, err = autotp("probe", "--json", "--sysroot", str(root))
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert set(found) >= KEYS
    assert [found[key] for key in ("sockets", "numa_nodes", "cores", "logical_cpus", "smt")] == [2, 2, 4, 8, 2]
    assert found["nodes"][1] == {"id": 1, "sockets": [1], "cpus": [2, 3, 6, 7]}
    assert found["envelope"] == {"cpus": list(range(8)), "cpu_quota": None, "memory_limit_bytes": None}
    assert set(found["fingerprint"]) == {"id", "hard", "soft"}
    assert set(found["cpu"]) == {"brand", "isa"}
    assert found["fingerprint"]["soft"]["openvino"] is None


def test_text_is_a_tree(tmp_path: Path) -> None:
    """Without --json the same is drawn."""
    code, out, _ = autotp("probe", "--sysroot", str(build(Described(sockets=2), tmp_path)))
    assert code == 0
    assert [word for word in ("socket 1", "NUMA node 1: CPUs 1", "fingerprint: ") if word not in out] == []


def test_a_root_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    """A folder that is missing or holds no machine: one sentence that names it, exit code 2."""
    for root in (tmp_path / "gone", tmp_path):
        code, out, err = autotp("probe", "--json", "--sysroot", str(root))
        assert (code, out) == (2, "")
        assert err.startswith(f"autotp: {root}")
        assert err.count("\n") == 1
