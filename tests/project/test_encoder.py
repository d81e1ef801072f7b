"""The transformer encoder that is built of a package's weights, held against plain arithmetic."""

import json
from math import erf
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray

from tests.support.encoder import Weights, build_encoder, read_safetensors

VOCABULARY, WIDTH, HEADS, INNER, LAYERS, LONGEST = 11, 8, 2, 16, 2, 6
Values = NDArray[np.floating[Any]]


def made_up() -> Weights:
    """Weights of a tiny encoder."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (VOCABULARY, WIDTH),
        "embeddings.position_embeddings.weight": (LONGEST, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
    }
    norms, dense = ["embeddings.LayerNorm"], dict[str, tuple[int, int]]()
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        norms += [f"{name}.attention.output.LayerNorm", f"{name}.output.LayerNorm"]
        dense |= {f"{name}.attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
        dense |= {
            f"{name}.attention.output.dense": (WIDTH, WIDTH),
            f"{name}.intermediate.dense": (INNER, WIDTH),
            f"{name}.output.dense": (WIDTH, INNER),
        }
    for name in norms:
        shapes |= {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
    for name, (rows, columns) in dense.items():
        shapes |= {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def expected(weights: Weights, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Values:
    """The encoder's mean over the kept tokens of one sequence."""

    def dense(value: Values, name: str) -> Values:
        return value @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def normed(value: Values, name: str) -> Values:
        scaled = (value - value.mean(-1, keepdims=True)) / np.sqrt(value.var(-1, keepdims=True) + 1e-12)
        found: Values = scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]
        return found

    words, places = (weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position"))
    value = words[ids] + places[: len(ids)] + weights["embeddings.token_type_embeddings.weight"][0]
    value = normed(value, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        query, key, values = (dense(value, f"{name}.attention.self.{p}") for p in ("query", "key", "value"))
        mixed = np.zeros_like(value)
        for head in range(HEADS):
            part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
            scores = query[:, part] @ key[:, part].T * (WIDTH // HEADS) ** -0.5 + (mask - 1.0) * 1e4
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            mixed[:, part] = shares / shares.sum(-1, keepdims=True) @ values[:, part]
        value = normed(
            value + dense(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
        )
        inner = dense(value, f"{name}.intermediate.dense")
        inner = 0.5 * inner * (1.0 + np.vectorize(erf)(inner / np.sqrt(2.0)))
        value = normed(value + dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    kept: Values = value[mask == 1].mean(axis=0)
    return kept


def test_it_computes_what_bert_computes(tmp_path: Path) -> None:
    """For any length, and without the tokens that the mask leaves out."""
    weights = made_up()
    path = build_encoder(weights, HEADS, tmp_path / "openvino_model.xml")
    compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for ids, mask in (([3, 1, 4], [1, 1, 1]), ([2, 7, 1, 8, 10], [1, 1, 0, 1, 0])):
        asked = {"input_ids": np.array([ids]), "attention_mask": np.array([mask])}
        (found,) = compiled(asked).values()
        assert found[0] == pytest.approx(expected(weights, np.array(ids), np.array(mask)), abs=1e-4)


def test_safetensors_are_read() -> None:
    """A length, a header, and the values of each tensor."""
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "I64", "shape": [1, 1], "data_offsets": [8, 16]},
        }
    ).encode()
    values = np.array([1.5, 2.0], "<f4").tobytes() + np.array([7], "<i8").tobytes()
    raw = len(header).to_bytes(8, "little") + header + values
    found = read_safetensors(raw)
    assert found["a"].tolist() == [1.5, 2.0]
    assert found["b"].tolist() == [[7]]
