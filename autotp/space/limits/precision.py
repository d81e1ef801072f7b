"""OpenVINO's default precisions on a machine, and which values are less exact than these.

The defaults: `src/plugins/intel_cpu/src/config.{h,cpp}`. Less exact values can be faster but change the outputs,
so they need the user's permission; more exact ones are always allowed.
"""

from autotp.options import spell
from autotp.space.knobs.config import Config
from autotp.space.knobs.table import KNOBS, Value
from autotp.topology.hardware.machine import Machine

BF16_ISA = frozenset({"avx512_bf16", "amx_bf16"})
F16_ISA = frozenset({"asimdhp"})  # arm64 with arithmetic in half precision

COMPUTED, QUANTIZED = "inference_precision_hint", "dynamic_quantization_group_size"
CACHED = ("kv_cache_precision", "key_cache_precision", "value_cache_precision")
PRECISION_KNOBS = (COMPUTED, *CACHED, QUANTIZED)
ALLOWABLE = tuple(dict.fromkeys((*KNOBS[COMPUTED].choices, *KNOBS[CACHED[0]].choices, QUANTIZED)))
DEFAULT_GROUP = 32  # of dynamic quantization; 0 turns it off, larger groups are less exact
_LOSSINESS = {"f32": 0, "bf16": 1, "f16": 1, "u8": 2, "u4": 3}


def default_precision(machine: Machine) -> str:
    """Return OpenVINO's default inference precision on `machine`."""
    isa = set(machine.isa)
    return "f16" if F16_ISA & isa else "bf16" if BF16_ISA & isa else "f32"


def default_cache_precision(machine: Machine) -> str:
    """Return OpenVINO's default precision of the KV cache on `machine`."""
    return "f16" if F16_ISA & set(machine.isa) else "u8"


def lossy(config: Config, machine: Machine) -> bool:
    """Whether `config` computes or caches anything less exactly than OpenVINO does by default."""
    return any(
        _more_exact(knob, value, machine) is not None for knob, value in config.settings if knob in PRECISION_KNOBS
    )


def precision_dropped(knob: str, value: Value, machine: Machine, allowed: tuple[str, ...]) -> str | None:
    """Return why `value` of a knob in `PRECISION_KNOBS` needs permission, None if not or if it is `allowed`."""
    word = QUANTIZED if knob == QUANTIZED else str(value)
    default = _more_exact(knob, value, machine)
    if default is None or word in allowed:
        return None
    return f"less exact than the default {default} here; `{spell('allow_precision', word)}` admits it"


def _more_exact(knob: str, value: Value, machine: Machine) -> Value | None:
    """Return OpenVINO's default for `knob` if `value` is less exact, else None."""
    if knob == QUANTIZED:
        return DEFAULT_GROUP if isinstance(value, int) and value > DEFAULT_GROUP else None
    default = default_precision(machine) if knob == COMPUTED else default_cache_precision(machine)
    return None if value == default or _LOSSINESS[str(value)] < _LOSSINESS[default] else default
