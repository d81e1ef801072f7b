"""Effective configs: what OpenVINO really does with a config here; many configs are aliases of one.

The *predicted* identity saves compiles: configs that can't differ are merged before any is tried. The
*observed* effective config, read after the compile, decides what an arm is.
"""

import msgspec

from autotp.space.affinity import Mask, affinity, nodes_spanned, sockets_spanned
from autotp.space.config import Config
from autotp.space.knobs import Value
from autotp.topology import Machine, Topology

BF16_ISA = frozenset({"avx512_bf16", "amx_bf16"})


class Effective(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What OpenVINO does with a config: counts per process, None where it isn't known."""

    streams: int | None = None
    threads: int | None = None
    sub_streams: int | None = None
    split_nodes: int | None = None
    requests: int | None = None
    precision: str | None = None
    pinned: bool | None = None


class Identity(msgspec.Struct, frozen=True):
    """Configs with equal identities are aliases: OpenVINO can't treat them differently."""

    settings: tuple[tuple[str, Value], ...]
    masks: tuple[Mask, ...] | None


def default_precision(machine: Machine) -> str:
    """Return OpenVINO's own inference precision here (`src/plugins/intel_cpu/src/config.cpp`)."""
    return "bf16" if BF16_ISA & set(machine.isa) else "f32"


def identity(config: Config, topology: Topology) -> Identity:
    """Return the predicted identity of `config`.

    Raises:
        SpaceError: the config is INVALID here; the text is the reason.
    """
    masks = affinity(config, topology.machine, topology.envelope)
    settings = dict(config.without("split_count", "numa_nodes").settings)
    if not (
        config.tensor_parallel and _separated(masks[0] if masks else topology.envelope.cpus, topology.machine)
    ):
        settings.pop("distribution_policy", None)
    if settings.get("performance_hint", "none") in ("none", "latency"):
        settings.pop("performance_hint", None)
    if settings.get("inference_precision_hint") == default_precision(topology.machine):
        del settings["inference_precision_hint"]
    return Identity(tuple(settings.items()), masks)


def _separated(cpus: Mask, machine: Machine) -> bool:
    """Whether `cpus` lie on several sockets that NUMA nodes separate: else the policy does nothing."""
    return min(len(sockets_spanned(machine, cpus)), len(nodes_spanned(machine, cpus))) > 1
