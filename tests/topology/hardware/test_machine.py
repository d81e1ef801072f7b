"""The counts of a machine are those of its CPUs and nodes."""

from autotp.topology.hardware.machine import CoreKind, Cpu, Machine, Node


def test_counts_follow_from_the_cpus() -> None:
    """Threads share cores, efficient cores are cores, and nodes without CPUs are nodes."""
    cpus = (
        Cpu(id=0, core=0, socket=0, node=0),
        Cpu(id=1, core=0, socket=0, node=0),
        Cpu(id=5, core=1, socket=3, node=0, kind=CoreKind.EFFICIENT),
    )
    nodes = (Node(id=0, sockets=(0, 3), cpus=(0, 1, 5)), Node(id=9, sockets=(), cpus=()))
    machine = Machine(cpus=cpus, nodes=nodes, caches=(), isa=(), model_name=None)
    assert (machine.sockets, machine.numa_nodes, machine.cores, machine.logical_cpus) == (2, 2, 2, 3)
    assert (machine.smt, machine.performance_cores, machine.efficient_cores) == (2, 1, 1)
