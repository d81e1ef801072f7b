"""Machines of every shape that servers come in, drawn at random: from a seed, or by hypothesis, which shrinks.

Each choice is independent of the others wherever hardware allows it, so that oddities also meet each other.
`features` names what a machine has of them, by which a test counts what it has covered.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.support.described import Described
from tests.support.parts import (
    AMX_FLAGS,
    AVX2_FLAGS,
    AVX512_FLAGS,
    SSE_FLAGS,
    KindsBy,
    Maker,
    Numbering,
    Part,
    Sharing,
)

ARM_FLAGS = ("fp", "evtstrm", "cpuid", "asimd", "asimdhp", "asimddp", "sve", "bf16", "i8mm")

# What every x86 or arm64 processor has, and what no kernel of OpenVINO's is chosen by: not part of the ISA.
COMMON_FLAGS = frozenset((*SSE_FLAGS, "bmi1", "bmi2", "fp", "evtstrm", "cpuid")) - {"sse4_2"}

_GIB = 2**30
_USUAL_CPUS = 16
_FLAGS = {
    Maker.INTEL: (SSE_FLAGS, AVX2_FLAGS, AVX512_FLAGS, AMX_FLAGS),
    Maker.AMD: (SSE_FLAGS, AVX2_FLAGS, AVX512_FLAGS),
    Maker.ARM: (ARM_FLAGS, ARM_FLAGS[:4]),
    Maker.RISCV: ((),),
}
_BRANDS = {Maker.INTEL: "Intel(R) Xeon(R) 6980P", Maker.AMD: "AMD EPYC 9654 96-Core Processor"}


def machines() -> st.SearchStrategy[Described]:
    """Machines that hypothesis can shrink."""
    return st.builds(random_machine, st.randoms(use_true_random=False))


def random_machine(random: Random, cpus: int = _USUAL_CPUS) -> Described:
    """A machine of at most `cpus` logical CPUs, or of one core in each node where that is more."""
    maker = random.choice((Maker.INTEL, Maker.INTEL, Maker.AMD, Maker.ARM, Maker.RISCV))
    facts = _shape(random, cpus) | _caches(random)
    facts |= {"maker": maker, "flags": random.choice(_FLAGS[maker]), "brand": _BRANDS.get(maker, "")}
    facts |= {"numbering": random.choice(list(Numbering)), "old_kernel": _seldom(random)}
    facts |= {"core_id_step": random.choice((1, 1, 1, 2, 16))}
    plain = Described(**facts)
    if plain.cores_per_socket > 1 and random.randrange(3) == 0:
        facts["efficient_cores"] = random.randint(1, plain.cores_per_socket)
        facts["kinds_by"] = random.choice(list(KindsBy))
    facts |= _ids(random, plain)
    if _seldom(random):
        facts["missing"] = tuple(random.sample(list(Part), random.randint(1, 3)))
    return Described(**facts, offline=_offline(random, Described(**facts)))


def _seldom(random: Random) -> bool:
    return random.randrange(4) == 0


def _shape(random: Random, cpus: int) -> dict[str, Any]:
    sockets = random.choice((1, 1, 2, 2, 3, 4, 6, 8, 12, 16))
    nodes_per_socket = random.choice((1, 1, 1, 2, 3, 4, 8)) if sockets < 6 else 1
    # Many threads on many nodes make trees that take long to write, so these meet only now and then.
    few = sockets * nodes_per_socket > 4 and random.randrange(8)
    smt = random.choice((1, 2) if few else (1, 2, 4, 8))
    sockets_per_node = 1
    if sockets > 1 and nodes_per_socket == 1 and _seldom(random):
        sockets_per_node = random.choice([n for n in range(2, sockets + 1) if sockets % n == 0])
    largest = max(1, cpus // (sockets * nodes_per_socket * smt))
    return {
        "sockets": sockets,
        "nodes_per_socket": nodes_per_socket,
        "sockets_per_node": sockets_per_node,
        "smt": smt,
        "cores_per_node": random.randint(1, largest) * sockets_per_node,
    }


def _caches(random: Random) -> dict[str, Any]:
    return {"l3": random.choice(list(Sharing)), "cores_per_cluster": random.choice((1, 2, 3, 4))}


def _ids(random: Random, plain: Described) -> dict[str, Any]:
    """Ids with gaps, as where a board can be plugged in, and nodes with memory only."""
    facts: dict[str, Any] = {}
    if _seldom(random):
        gaps = random.randint(1, 3)
        widths = (1, 2, 7, 64, 1024)
        facts["id_gaps"] = tuple((random.randrange(len(plain.cpus)), random.choice(widths)) for _ in range(gaps))
    if _seldom(random):
        facts["package_ids"] = tuple(sorted(random.sample(range(64), plain.sockets)))
    elif plain.maker is Maker.ARM and _seldom(random):
        facts["package_ids"] = (-1,) * plain.sockets
    ids = range(plain.numa_nodes)
    if _seldom(random):
        ids_found = sorted(random.sample(range(plain.numa_nodes + 70), plain.numa_nodes))
        facts["cpu_node_ids"] = tuple(ids_found)
        ids = range(max(ids_found) + 1)
    if _seldom(random):
        facts["memory_node_ids"] = tuple(ids[-1] + 1 + 2 * k for k in range(random.randint(1, 3)))
    sizes = (0, _GIB, 3 * _GIB, 64 * _GIB, 1536 * _GIB)
    facts["memory_bytes"] = tuple(random.choice(sizes[not k :]) for k in range(random.randint(1, 3)))
    return facts


def _offline(random: Random, machine: Described) -> tuple[int, ...]:
    """Some CPUs, a whole core, socket or node, or all but one; cpu0 in a part of the cases."""
    cpus = machine.cpus
    if len(cpus) == 1 or not _seldom(random):
        return ()
    one = random.choice(cpus)
    groups = (
        [one],
        [cpus[0]],
        random.sample(cpus, random.randint(1, len(cpus) - 1)),
        [cpu for cpu in cpus if cpu.thread],
        [cpu for cpu in cpus if cpu.core == one.core],
        [cpu for cpu in cpus if cpu.socket == one.socket],
        [cpu for cpu in cpus if cpu.node == one.node],
        [cpu for cpu in cpus if cpu.efficient],
        [cpu for cpu in cpus if cpu is not one],
    )
    chosen = random.choice(groups)
    return tuple(sorted(cpu.id for cpu in chosen)) if len(chosen) < len(cpus) else ()


def features(machine: Described) -> frozenset[str]:
    """What a machine has of all that this module can draw."""
    return frozenset(_features(machine))


def _features(machine: Described) -> Iterator[str]:
    yield f"{machine.sockets} sockets"
    yield f"SMT {machine.smt}"
    yield f"{machine.maker.name}"
    yield f"CPUs by {machine.numbering}"
    yield f"L3 by {machine.l3}"
    yield from (f"{part} folder missing" for part in machine.missing)
    ids = [cpu.id for cpu in machine.cpus]
    has = {
        "several nodes in a socket": machine.nodes_per_socket > 1,
        "several sockets in a node": machine.sockets_per_node > 1,
        f"efficient cores by {machine.kinds_by}": machine.efficient_cores > 0,
        "only efficient cores": machine.efficient_cores == machine.cores_per_socket,
        "offline CPUs": bool(machine.offline),
        "cpu0 offline": 0 in machine.offline,
        "a socket offline": any(not machine.of_socket(socket) for socket in range(machine.sockets)),
        "a node's CPUs offline": {cpu.node for cpu in machine.cpus} > {cpu.node for cpu in machine.online},
        "CPU ids with gaps": ids != list(range(len(ids))),
        "node ids with gaps": machine.nodes != tuple(range(machine.numa_nodes)),
        "package ids with gaps": min(machine.package_ids, default=-1) >= 0,
        "package ids unknown": -1 in machine.package_ids,
        "core ids with gaps": machine.core_id_step > 1,
        "nodes with memory only": bool(machine.memory_node_ids),
        "nodes without memory": not all(machine.node_memory_bytes(node) for node in machine.nodes),
        "an old kernel": machine.old_kernel,
        "a CPU id above 1023": ids[-1] > 1023,
        "more than 1024 CPUs": len(ids) > 1024,
    }
    yield from (name for name, present in has.items() if present)
