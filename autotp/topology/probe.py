"""Reads the topology of a machine, live or recorded: its hardware, the envelope and their fingerprint."""

from pathlib import Path

import msgspec

from autotp.errors import InputError
from autotp.topology.envelope.cpuset import CpusReason
from autotp.topology.envelope.envelope import Envelope, read_envelope
from autotp.topology.envelope.memory import read_total_bytes
from autotp.topology.fingerprint import Fingerprint, fingerprint, memory_class, read_soft
from autotp.topology.hardware.caches import read_caches
from autotp.topology.hardware.core_kinds import read_kinds
from autotp.topology.hardware.cpuinfo import CpuModel, read_cpu_model
from autotp.topology.hardware.layout import read_layout
from autotp.topology.hardware.machine import Cpu, Machine
from autotp.topology.hardware.nodes import node_of, read_nodes
from autotp.topology.tree.cpulist import format_cpulist
from autotp.topology.tree.tree import Tree


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, the part of it that may be used, and the fingerprint of both."""

    machine: Machine
    envelope: Envelope
    fingerprint: Fingerprint


def probe(root: Path | None = None) -> Topology:
    """Return the topology of the live machine, or of the recorded `/proc` and `/sys` below `root`.

    Raises:
        TopologyError: a file can't be understood, or no CPU is found; the message names the file.
    """
    return read_topology(Tree(root))


def read_topology(tree: Tree) -> Topology:
    """Return the topology that the files of `tree` describe."""
    model = read_cpu_model(tree)
    machine = _read_machine(tree, model)
    envelope = read_envelope(tree, tuple(cpu.id for cpu in machine.cpus))
    return Topology(
        machine=machine,
        envelope=envelope,
        fingerprint=fingerprint(
            machine,
            envelope,
            memory_class_bytes=memory_class(read_total_bytes(tree, "proc/meminfo"), envelope.memory_limit_bytes),
            soft=read_soft(tree, model),
        ),
    )


def _read_machine(tree: Tree, model: CpuModel) -> Machine:
    layout = read_layout(tree, model)
    nodes = read_nodes(tree, layout)
    caches = read_caches(tree, layout)
    kinds, home = read_kinds(tree, layout, caches), node_of(nodes)
    cpus = tuple(
        Cpu(id=cpu, core=layout.core_of[cpu], socket=layout.socket_of[cpu], node=home[cpu], kind=kinds[cpu])
        for cpu in layout.online
    )
    return Machine(
        cpus=cpus, nodes=nodes, caches=caches, isa=model.isa, model_name=model.name, listed=layout.listed
    )


def narrow(topology: Topology, cpus: tuple[int, ...]) -> Topology:
    """Return `topology` with an envelope of only these of its CPUs.

    Raises:
        InputError: `cpus` is empty or names CPUs outside of the envelope.
    """
    envelope = topology.envelope
    beyond = set(cpus).difference(envelope.cpus)
    if beyond or not cpus:
        wrong = f"CPUs {format_cpulist(beyond)} are outside" if beyond else "an empty list of CPUs isn't part"
        raise InputError(f"{wrong} of what this process may use: {format_cpulist(envelope.cpus)}")
    chosen = tuple(sorted(set(cpus)))
    if chosen == envelope.cpus:
        return topology
    reasons = msgspec.structs.replace(envelope.reasons, cpus=CpusReason.CHOSEN, cpuset_folder=None)
    narrowed = msgspec.structs.replace(envelope, cpus=chosen, reasons=reasons)
    known = topology.fingerprint
    memory_class_bytes = known.hard["memory_class_bytes"]
    assert memory_class_bytes is None or isinstance(memory_class_bytes, int)
    return Topology(
        machine=topology.machine,
        envelope=narrowed,
        fingerprint=fingerprint(
            topology.machine,
            narrowed,
            memory_class_bytes=memory_class_bytes,
            soft=known.soft,
        ),
    )
