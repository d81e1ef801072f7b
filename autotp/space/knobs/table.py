"""The table of knobs. Each is declared once, with its OpenVINO property and type; spaces and options read it.

Property names and their meaning:
https://docs.openvino.ai/2026/openvino-workflow/running-inference/inference-devices-and-modes/cpu-device.html
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from autotp.errors import SpaceError

Value = bool | int | str | tuple[int, ...]

MOST_WEIGHTS = 10**12


class Kind(StrEnum):
    """The kinds of values that knobs take, in words for errors."""

    COUNT = "a whole number, 1 or more"
    FLAG = "true or false"
    CHOICE = "one of its words"
    SIZE = "a whole number, 0 or more"
    NODES = "how many NUMA nodes, or a list of their ids"


class Word(StrEnum):
    """A word in a space file that stands for values that depend on the machine; binding replaces it by them."""

    DEFAULT = "default"
    PER_NODE = "per_node"
    PER_SOCKET = "per_socket"
    EACH_SOCKET = "each_socket"
    DIVISORS = "divisors"
    ALL_BUT_ONE = "all_but_one"


class Knob(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that can be tuned.

    Attributes:
        name: as users write it.
        kind: which values it takes.
        property: OpenVINO's property, None if OpenVINO has none and autotp applies the knob itself.
        choices: the values, if `kind` is CHOICE.
        not_passed: the choice for which `property` isn't passed.
        verbatim: whether OpenVINO takes the choices as they are; otherwise in capitals.
    """

    name: str
    kind: Kind
    property: str | None = None
    choices: tuple[str, ...] = ()
    not_passed: str | None = None
    verbatim: bool = False

    def parse(self, item: object) -> Value:
        """Check `item` (from YAML or the command line) and return it as a value of this knob.

        Raises:
            SpaceError: a wrong type or a value out of range.
        """
        value = _nodes(item) if self.kind is Kind.NODES else item
        if not self._accepts(value):
            expected = ", ".join(self.choices) or self.kind.value
            raise SpaceError(f"{self.name}: {_spell(item)} isn't a valid value; it takes {expected}.")
        return value  # type: ignore[return-value]

    def _accepts(self, value: object) -> bool:
        match self.kind:
            case Kind.FLAG:
                return isinstance(value, bool)
            case Kind.CHOICE:
                return isinstance(value, str) and value in self.choices
            case Kind.COUNT:
                return _is_count(value)
            case Kind.SIZE:
                return (value == 0 and type(value) is int) or _is_count(value, MOST_WEIGHTS)
            case Kind.NODES:
                return _is_count(value) or isinstance(value, tuple)

    def passed(self, value: Value) -> str | None:
        """Return the text to pass to OpenVINO for `value`, or None to pass nothing."""
        if self.property is None or value == self.not_passed:
            return None
        if isinstance(value, bool):
            return "YES" if value else "NO"
        return str(value) if self.verbatim else str(value).upper()


def _is_count(value: object, most: int = 1_000_000) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _nodes(item: object) -> object:
    if not isinstance(item, list | tuple):
        return item
    ids = [node for node in item if isinstance(node, int) and not isinstance(node, bool) and node >= 0]
    return tuple(sorted(set(ids))) if ids and len(ids) == len(item) else item if item else None


def _spell(item: object) -> str:
    return str(item).lower() if isinstance(item, bool) else repr(item) if isinstance(item, str) else str(item)


def _table(*knobs: Knob) -> Mapping[str, Knob]:
    return {knob.name: knob for knob in knobs}


KNOBS = _table(
    Knob(
        name="performance_hint",
        kind=Kind.CHOICE,
        property="PERFORMANCE_HINT",
        choices=("latency", "throughput", "none"),
        not_passed="none",
    ),
    Knob(
        name="distribution_policy",
        kind=Kind.CHOICE,
        property="MODEL_DISTRIBUTION_POLICY",
        choices=("none", "tensor_parallel", "pipeline_parallel"),
        not_passed="none",
    ),
    Knob(name="split_count", kind=Kind.COUNT),
    Knob(name="split_min_weights", kind=Kind.SIZE),
    Knob(name="numa_nodes", kind=Kind.NODES),
    Knob(name="instances", kind=Kind.COUNT),
    Knob(name="num_streams", kind=Kind.COUNT, property="NUM_STREAMS"),
    Knob(name="inference_num_threads", kind=Kind.COUNT, property="INFERENCE_NUM_THREADS"),
    Knob(name="nireq", kind=Kind.COUNT),
    Knob(name="enable_cpu_pinning", kind=Kind.FLAG, property="ENABLE_CPU_PINNING"),
    Knob(name="enable_hyper_threading", kind=Kind.FLAG, property="ENABLE_HYPER_THREADING"),
    Knob(
        name="scheduling_core_type",
        kind=Kind.CHOICE,
        property="SCHEDULING_CORE_TYPE",
        choices=("any_core", "pcore_only", "ecore_only"),
    ),
    Knob(
        name="execution_mode_hint",
        kind=Kind.CHOICE,
        property="EXECUTION_MODE_HINT",
        choices=("performance", "accuracy"),
    ),
    Knob(
        name="inference_precision_hint",
        kind=Kind.CHOICE,
        property="INFERENCE_PRECISION_HINT",
        choices=("f32", "bf16", "f16"),
        verbatim=True,
    ),
    Knob(
        name="kv_cache_precision",
        kind=Kind.CHOICE,
        property="KV_CACHE_PRECISION",
        choices=("f32", "bf16", "f16", "u8", "u4"),
        verbatim=True,
    ),
    *(
        Knob(
            name=name,
            kind=Kind.CHOICE,
            property=name.upper(),
            choices=("f32", "bf16", "f16", "u8", "u4"),
            verbatim=True,
        )
        for name in ("key_cache_precision", "value_cache_precision")
    ),
    Knob(
        name="dynamic_quantization_group_size",
        kind=Kind.SIZE,
        property="DYNAMIC_QUANTIZATION_GROUP_SIZE",
    ),
    Knob(name="key_cache_group_size", kind=Kind.SIZE, property="KEY_CACHE_GROUP_SIZE"),
    Knob(name="value_cache_group_size", kind=Kind.SIZE, property="VALUE_CACHE_GROUP_SIZE"),
    Knob(
        name="key_cache_quant_mode",
        kind=Kind.CHOICE,
        property="KEY_CACHE_QUANT_MODE",
        choices=("by_channel", "by_token"),
    ),
    Knob(name="enable_sage_attn", kind=Kind.FLAG, property="ENABLE_SAGE_ATTN"),
    Knob(name="cpu_denormals_optimization", kind=Kind.FLAG, property="CPU_DENORMALS_OPTIMIZATION"),
    Knob(name="tbb_partitioner", kind=Kind.CHOICE, property="TBB_PARTITIONER", choices=("static", "auto")),
    Knob(name="batch", kind=Kind.COUNT),
)


def knob_named(name: str) -> Knob:
    """Return the knob `name`.

    Raises:
        SpaceError: there is no such knob; the text lists all knobs.
    """
    try:
        return KNOBS[name]
    except KeyError:
        raise SpaceError(f"There is no knob {name!r}; the knobs are {', '.join(KNOBS)}.") from None
