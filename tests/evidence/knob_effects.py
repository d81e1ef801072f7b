"""Do settings of which OpenVINO reports nothing have an effect? Shown by what compiled models say.

    python -m tests.evidence.knob_effects [--out FILE]

A property that OpenVINO accepts may do nothing; then it is no knob. A small language model with OpenVINO's own
attention is compiled with and without each property, as state (SDPA) and with pages (PA); it has an effect where
the logits differ. Denormals are looked for in a process of their own, whose arithmetic the property changes.
Exit 0: every knob that no property reports has an effect somewhere, or can't be set on this CPU, and what is no
knob (`NO_KNOBS`) has none. Exit 1: it is otherwise.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from autotp.runtime.graph.paged_attention import CACHES, page_attention
from autotp.runtime.inference.generate import generator_of
from autotp.runtime.models.language import Attention
from autotp.space.knobs.config import Config
from autotp.space.limits.rules import value_dropped
from autotp.topology.probe import probe
from tests.evidence.outcomes import keep
from tests.support.language_models import VOCABULARY, build_attentive

PROMPT, TOKENS = 40, 44
SUBNORMAL = 1e-40
KNOB_SETTINGS: tuple[dict[str, Any], ...] = (
    {"key_cache_quant_mode": "by_channel"},
    {"key_cache_quant_mode": "by_token"},
    {"enable_sage_attn": True},
)
DENORMALS: dict[str, Any] = {"cpu_denormals_optimization": True}
NO_KNOBS = ({"VALUE_CACHE_QUANT_MODE": "BY_CHANNEL"}, {"VALUE_CACHE_QUANT_MODE": "BY_TOKEN"})


def logits(attention: Attention, properties: dict[str, str]) -> NDArray[Any]:
    """Return the logits of a model in f32 after a prompt and after each of a few further tokens [_, vocabulary].

    Raises:
        RuntimeError: OpenVINO can't do what the properties say with this attention.
    """
    reader = generator_of(_compiled(attention, properties), attention, 1, TOKENS)
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (1, TOKENS))
    reader.read(tokens[:, :PROMPT])
    found = [reader.logits[-1]]
    for position in range(PROMPT, TOKENS):
        reader.read(tokens[:, position : position + 1])
        found.append(reader.logits[-1])
    return np.array(found)


def caches(properties: dict[str, str]) -> dict[str, str]:
    """Return the type and shape of each paged cache, by name."""
    compiled = _compiled(Attention.PA, properties)
    ports = {name: port for port in compiled.inputs for name in port.get_names() if name.startswith(CACHES)}
    return {name: f"{port.element_type.get_type_name()} {port.partial_shape}" for name, port in ports.items()}


def _compiled(attention: Attention, properties: dict[str, str]) -> ov.CompiledModel:
    model = build_attentive()
    if attention is Attention.PA:
        page_attention(model)
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", **properties})


def passes_subnormals(properties: dict[str, str]) -> bool:
    """Whether a model returns numbers below the normal ones; the properties may change this process for good."""
    import openvino.opset13 as ops

    given = ops.parameter([1, 16], np.float32)
    passed = ops.relu(ops.multiply(given, ops.constant(np.full((1, 16), 0.5, np.float32))))
    f32 = {"INFERENCE_PRECISION_HINT": "f32", **properties}
    compiled = ov.Core().compile_model(ov.Model([passed], [given], "halved"), "CPU", f32)
    values = np.full((1, 16), SUBNORMAL).astype(np.float32)
    return bool(np.all(compiled.create_infer_request().infer({0: values})[0] > 0))


def passes_subnormals_elsewhere(setting: dict[str, Any]) -> bool:
    """Return `passes_subnormals` of a process of its own with this setting."""
    properties = Config.of(setting).properties()
    code = f"from tests.evidence.knob_effects import passes_subnormals as passes; print(passes({properties!r}))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return said.strip() == "True"


def changed(attention: Attention, properties: dict[str, str]) -> bool | None:
    """Whether the properties change what the model says; None where OpenVINO refuses them."""
    try:
        found = logits(attention, properties)
    except RuntimeError:
        return None
    return not np.array_equal(found, logits(attention, {}))


def main(arguments: list[str] | None = None) -> int:
    """Compile with each property, write the JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description="Show which settings have an effect that nothing reports.")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    here = probe()
    rows: list[dict[str, Any]] = []
    wrong: list[dict[str, Any]] = []
    for setting in KNOB_SETTINGS:
        (knob, value), properties = next(iter(setting.items())), Config.of(setting).properties()
        refused = value_dropped(knob, value, here, (knob,))
        able = () if refused else tuple(Attention)
        effect = {kind.value: changed(kind, properties) for kind in able}
        rows.append({"properties": properties, "refused": refused, "changes_logits": effect})
        if not refused and True not in effect.values():
            wrong.append(properties)
    for properties in NO_KNOBS:
        effect = {kind.value: changed(kind, properties) for kind in Attention}
        same = caches(properties) == caches({})
        rows.append({"properties": properties, "changes_logits": effect, "same_caches": same})
        if True in effect.values() or not same:
            wrong.append(properties)
    subnormals = {str(one): passes_subnormals_elsewhere(one) for one in ({}, DENORMALS)}
    if list(subnormals.values()) != [True, False]:
        wrong.append(DENORMALS)
    keep({"settings": rows, "passes_subnormals": subnormals, "otherwise": wrong}, chosen.out)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
