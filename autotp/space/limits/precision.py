"""OpenVINO's default precisions on a machine, and which values are less exact than these.

The defaults: `src/plugins/intel_cpu/src/config.{h,cpp}`. Less exact values can be faster but change the outputs,
so they need the user's permission; more exact ones are always allowed.
"""

from autotp.options import spell
from autotp.space.knobs.config import Config, spell_value
from autotp.space.knobs.table import KNOBS, Value
from autotp.topology.hardware.machine import Machine

BF16_ISA = frozenset({"avx512_bf16", "amx_bf16"})
F16_ISA = frozenset({"asimdhp"})  # arm64 with arithmetic in half precision

COMPUTED, QUANTIZED = "inference_precision_hint", "dynamic_quantization_group_size"
CACHED = ("kv_cache_precision", "key_cache_precision", "value_cache_precision")
INEXACT = ("enable_sage_attn", "cpu_denormals_optimization")  # off by default, as outputs are less exact with them
PRECISION_KNOBS = (COMPUTED, *CACHED, QUANTIZED, *INEXACT)
ALLOWABLE = tuple(dict.fromkeys((*KNOBS[COMPUTED].choices, *KNOBS[CACHED[0]].choices, QUANTIZED, *INEXACT)))
DEFAULT_GROUP = 32  # of dynamic quantization; 0 turns it off, larger groups are less exact
MODE, QUANT_MODE = "execution_mode_hint", "key_cache_quant_mode"
CACHE_KNOBS = (MODE, *CACHED, QUANT_MODE)  # the knobs that `cache_dropped` reads
QUANTIZED_CACHES = ("u8", "u4")
_LOSSINESS = {"f32": 0, "bf16": 1, "f16": 1, "u8": 2, "u4": 3}


def default_precision(machine: Machine) -> str:
    """Return OpenVINO's default inference precision on `machine`."""
    isa = set(machine.isa)
    return "f16" if F16_ISA & isa else "bf16" if BF16_ISA & isa else "f32"


def default_cache_precision(machine: Machine) -> str:
    """Return OpenVINO's default precision of the KV cache on `machine`."""
    return "f16" if F16_ISA & set(machine.isa) else "u8"


def own_precisions(config: Config, machine: Machine) -> dict[str, Value]:
    """Return OpenVINO's values on `machine` for the precision knobs that `config` doesn't set, where it has some.

    The execution mode ACCURACY stands for the most exact of them.
    """
    if config.get(MODE) == "accuracy":
        return {COMPUTED: "f32", CACHED[0]: "f32", QUANTIZED: 0, **dict.fromkeys(INEXACT, False)}
    own = {COMPUTED: default_precision(machine), CACHED[0]: default_cache_precision(machine)}
    return {**own, **dict.fromkeys(INEXACT, False)}


def cache_dropped(config: Config) -> str | None:
    """Return why a setting of the KV cache has no effect with the others in `config`, None if it has one."""
    keys = config.get("key_cache_precision") or config.get("kv_cache_precision")
    keys = keys or ("f32" if config.get(MODE) == "accuracy" else None)
    if config.get(QUANT_MODE) is None or keys in (None, *QUANTIZED_CACHES):
        return None
    return f"{QUANT_MODE} has no effect, as keys in {keys} aren't quantized"


def lossy(config: Config, machine: Machine) -> bool:
    """Whether `config` computes or caches anything less exactly than OpenVINO does by default."""
    return any(
        _more_exact(knob, value, machine) is not None for knob, value in config.settings if knob in PRECISION_KNOBS
    )


def precision_dropped(knob: str, value: Value, machine: Machine, allowed: tuple[str, ...]) -> str | None:
    """Return why `value` of a knob in `PRECISION_KNOBS` needs permission, None if not or if it is `allowed`."""
    word = knob if knob in (QUANTIZED, *INEXACT) else str(value)
    default = _more_exact(knob, value, machine)
    if default is None or word in allowed:
        return None
    return f"less exact than the default {spell_value(default)} here; `{spell('allow_precision', word)}` admits it"


def _more_exact(knob: str, value: Value, machine: Machine) -> Value | None:
    """Return OpenVINO's default for `knob` if `value` is less exact, else None."""
    if knob in INEXACT:
        return False if value is True else None
    if knob == QUANTIZED:
        return DEFAULT_GROUP if isinstance(value, int) and value > DEFAULT_GROUP else None
    default = default_precision(machine) if knob == COMPUTED else default_cache_precision(machine)
    return None if value == default or _LOSSINESS[str(value)] < _LOSSINESS[default] else default
