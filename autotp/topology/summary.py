"""What `autotp probe --json` prints of a topology."""

from autotp.topology.machine import Machine
from autotp.topology.probe import Topology


def summary(topology: Topology, brand: str | None = None) -> dict[str, object]:
    """The JSON object of a topology; `brand` names the processor better than its files do."""
    machine, envelope, known = topology.machine, topology.envelope, topology.fingerprint
    return {
        **_counts(machine),
        "nodes": [
            {"id": node.id, "sockets": list(node.sockets), "cpus": list(node.cpus)} for node in machine.nodes
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
            "memory_limit_bytes": envelope.memory_limit_bytes,
        },
        "fingerprint": {"id": known.id, "hard": known.hard, "soft": known.soft},
    }


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
