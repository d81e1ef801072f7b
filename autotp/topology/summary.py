"""The JSON of `autotp probe --json`. It is attached to bug reports, so it holds no private names of groups."""

from autotp.topology.envelope.envelope import Reasons
from autotp.topology.hardware.machine import Machine
from autotp.topology.privacy import public_path
from autotp.topology.probe import Topology


def summary(topology: Topology, brand: str | None = None) -> dict[str, object]:
    """Return the JSON object of a topology; `brand`, where given, replaces the processor's name from its files."""
    machine, envelope, known = topology.machine, topology.envelope, topology.fingerprint
    return {
        **_counts(machine),
        "nodes": [
            {
                "id": node.id,
                "sockets": list(node.sockets),
                "cpus": list(node.cpus),
                "memory_bytes": node.memory_bytes,
                "distances": list(node.distances),
            }
            for node in machine.nodes
        ],
        "cpu": {"brand": brand or machine.model_name, "isa": list(machine.isa)},
        "caches": [
            {
                "level": cache.level,
                "kind": cache.kind,
                "size_bytes": cache.size_bytes,
                "cpus": list(cache.cpus),
            }
            for cache in machine.caches
        ],
        "envelope": {
            "cpus": list(envelope.cpus),
            "cpu_quota": envelope.cpu_quota,
            "cpu_quota_period_s": envelope.cpu_quota_period_s,
            "memory_limit_bytes": envelope.memory_limit_bytes,
            "reasons": _reasons(envelope.reasons),
        },
        "fingerprint": {"id": known.id, "hard": known.hard, "soft": known.soft},
    }


def _reasons(reasons: Reasons) -> dict[str, object]:
    folders = {
        "cpuset_folder": reasons.cpuset_folder,
        "cpu_quota_folder": reasons.cpu_quota_folder,
        "memory_limit_folder": reasons.memory_limit_folder,
    }
    public = {key: None if path is None else public_path(path, {}) for key, path in folders.items()}
    return {"cpus": reasons.cpus.value, **public}


def _counts(machine: Machine) -> dict[str, object]:
    return {
        "sockets": machine.sockets,
        "numa_nodes": machine.numa_nodes,
        "cores": machine.cores,
        "logical_cpus": machine.logical_cpus,
        "smt": machine.smt,
        "performance_cores": machine.performance_cores,
        "efficient_cores": machine.efficient_cores,
    }
