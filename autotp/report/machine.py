"""Topologies and health advice as text for rich to print."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from autotp.report.units import spell_bytes
from autotp.topology.envelope.cpuset import CpusReason
from autotp.topology.envelope.envelope import Envelope
from autotp.topology.hardware.machine import Node
from autotp.topology.health.advice import Advice
from autotp.topology.probe import Topology
from autotp.topology.tree.cpulist import format_cpulist

_CPUS_REASONS = {
    CpusReason.EVERY: "all that are online",
    CpusReason.CPUSET: "the cpuset of",
    CpusReason.AFFINITY: "an affinity mask set on the process, as by taskset, numactl or isolcpus",
    CpusReason.CHOSEN: "chosen by the caller",
    CpusReason.UNKNOWN: "for an unknown reason",
}


def topology_tree(topology: Topology, facts: Mapping[str, Any]) -> Tree:
    """Return a tree of sockets with their nodes, caches, ISA, the envelope and the fingerprint."""
    machine = topology.machine
    counts = f"{machine.sockets} socket(s), {machine.cores} cores, {machine.logical_cpus} CPUs, SMT {machine.smt}"
    tree = Tree(_line(f"{facts['cpu']['brand'] or 'unknown CPU'}: {counts}"))
    for socket in sorted({cpu.socket for cpu in machine.cpus}):
        branch = tree.add(_line(f"socket {socket}"))
        for node in machine.nodes:
            if socket in node.sockets:
                branch.add(_line(_node_line(node)))
    for node in machine.nodes:
        if not node.cpus:
            tree.add(_line(_node_line(node)))
    for line in _cache_lines(topology):
        tree.add(_line(line))
    tree.add(_line(f"ISA: {' '.join(machine.isa) or 'unknown'}"))
    branch = tree.add(_line(f"envelope: CPUs {format_cpulist(topology.envelope.cpus)}"))
    for line in _envelope_lines(topology.envelope):
        branch.add(_line(line))
    tree.add(_line(f"fingerprint: {topology.fingerprint.id}"))
    return tree


def _line(text: str) -> Text:
    # Without folding, rich cuts the lines of a tree off at the terminal's width.
    return Text(text, no_wrap=False, overflow="fold")


def _node_line(node: Node) -> str:
    parts = [f"CPUs {format_cpulist(node.cpus)}" if node.cpus else "memory only"]
    parts += [] if node.memory_bytes is None else [f"memory {spell_bytes(node.memory_bytes)}"]
    parts += [f"distances {' '.join(map(str, node.distances))}"] if node.distances else []
    return f"NUMA node {node.id}: {', '.join(parts)}"


def _cache_lines(topology: Topology) -> list[str]:
    kinds: dict[tuple[int, str, int | None], int] = {}
    for cache in topology.machine.caches:
        key = (cache.level, cache.kind, cache.size_bytes)
        kinds[key] = kinds.get(key, 0) + 1
    return [
        f"L{level} {kind.lower()}: {count} × {'unknown size' if size is None else spell_bytes(size)}"
        for (level, kind, size), count in sorted(kinds.items(), key=lambda item: (item[0][0], item[0][1]))
    ]


def _envelope_lines(envelope: Envelope) -> list[str]:
    reasons, quota, limit = envelope.reasons, envelope.cpu_quota, envelope.memory_limit_bytes
    cpus = " ".join(filter(None, (_CPUS_REASONS[reasons.cpus], reasons.cpuset_folder)))
    return [
        f"these CPUs: {cpus}",
        "no CPU quota"
        if quota is None
        else f"quota of {quota:g} CPU(s), set by {reasons.cpu_quota_folder}, "
        f"in periods of {envelope.cpu_quota_period_s:g} s",
        "no memory limit"
        if limit is None
        else f"memory limit {spell_bytes(limit)}, set by {reasons.memory_limit_folder}",
    ]


def health_view(advice: tuple[Advice, ...]) -> RenderableType:
    """Return for each advice what was seen, why it matters and what to do."""
    if not advice:
        return Text("nothing seen that would disturb a measurement here")
    return Group(
        *(Text(f"{item.id}: {item.seen}\n  why: {item.why}\n  do:  {item.do}") for item in advice),
    )
