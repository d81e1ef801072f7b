"""Fully connected layers split in the graph: the same weights, the same outputs, the same names."""

import json
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openvino import opset13 as ops

from autotp.errors import ModelError
from autotp.runtime.graph.split_fc import count_split, fully_connected, shard_bounds, split_fc
from autotp.space.knobs.graph_split import FullyConnected, GraphSplit
from tests.support import rig
from tests.support.compiled_graphs import compiled, multiplications, outputs
from tests.support.fully_connected import WEIGHT_TYPES, Form, build, evaluated, forms
from tests.support.trees import Described

NATIVELY_WRONG = {"nf4"}  # by OpenVINO 2026.4: its policy splits it, and the outputs are off by twice their size
AGREE = """
import json
import numpy as np, openvino as ov
from autotp.runtime.graph.split_fc import split_fc
from autotp.space.knobs.graph_split import GraphSplit
from tests.support.fully_connected import FLOATS, WEIGHT_TYPES, Form, build

plain = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0", "NUM_STREAMS": "1"}
native = {**plain, "MODEL_DISTRIBUTION_POLICY": "TENSOR_PARALLEL"}
off = {}
for weight_type in WEIGHT_TYPES:
    groups = 1 if weight_type in FLOATS else 4
    model, _ = build(Form(weight_type, 96, 128, groups=groups, zero_point=weight_type[0] == "u"), rows=64)
    data = np.random.default_rng(0).standard_normal((64, 128), np.float32)
    ways = ((model, plain), (model, native), (split_fc(model, GraphSplit(2, 0)), plain))
    whole, *split = (ov.Core().compile_model(of, "CPU", how)([data])[0] for of, how in ways)
    off[weight_type] = [float(np.abs(one - whole).max() / np.abs(whole).max()) for one in split]
print(json.dumps(off))
"""


def tied() -> ov.Model:
    """Return a model whose embedding and head read the same compressed table, as [7, 8] of u8."""
    table = ops.constant(np.arange(56, dtype=np.uint8).reshape(7, 8))
    weights = ops.multiply(ops.convert(table, "f32"), np.float32(0.1))
    ids = ops.parameter([3], np.int64, name="ids")
    embedded = ops.gather(weights, ids, np.int64(0))
    head = ops.matmul(embedded, weights, False, True)
    head.output(0).get_tensor().set_names({"logits"})
    return ov.Model([ops.result(head)], [ids], "tied")


@pytest.mark.parametrize("weight_type", WEIGHT_TYPES)
def test_shards_hold_the_rows_of_the_weights(weight_type: str) -> None:
    """Whatever the type, layout and grouping, shards are bit-equal to the rows of the decompressed weights."""

    @settings(max_examples=15, deadline=None)
    @given(form=forms(weight_type), count=st.integers(2, 5))
    def check(form: Form, count: int) -> None:
        count = min(count, form.channels)
        model, decompressed = build(form)
        split = split_fc(model, GraphSplit(count, 0))
        for shard, (low, high) in zip(multiplications(split), shard_bounds(form.channels, count), strict=True):
            weights = evaluated(shard.input_value(1))
            rows = (weights if form.transpose_b else weights.T).astype(np.float32)
            np.testing.assert_array_equal(rows, decompressed[low:high])
        data = np.random.default_rng(form.seed).standard_normal((3, form.inputs), np.float32)
        whole = outputs(model, data)
        np.testing.assert_allclose(outputs(split, data), whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max())

    check()


@rig.requires_rig(shim=False)
def test_native_and_graph_splits_agree(tmp_path: Path) -> None:
    """On two pretended sockets OpenVINO's own split and this one answer as the unsplit model, where it can."""
    argv = (sys.executable, "-c", AGREE)
    root = Path(__file__).parents[3]
    done = rig.run(Described(sockets=2), argv, shim=False, tmp=tmp_path, timeout_s=120, cwd=root)
    assert done.returncode == 0, done.stderr
    off = json.loads(done.stdout.splitlines()[-1])
    assert set(off) == set(WEIGHT_TYPES)
    assert {name: in_graph for name, (_, in_graph) in off.items() if in_graph > 1e-5} == {}
    assert {name for name, (native, _) in off.items() if native > 1e-5} <= NATIVELY_WRONG


def test_names_and_what_follows_stay() -> None:
    """Outputs keep their names, bias comes after the Concat, which has the layer's name; the model stays."""
    model, _ = build(Form("u4", channels=6, inputs=8, groups=2, bias=True))
    split = split_fc(model, GraphSplit(4, 0))
    assert split.output(0).get_names() == {"y"}
    (joined,) = [node for node in split.get_ops() if node.get_type_name() == "Concat"]
    assert joined.get_friendly_name() == "layer"
    (follower,) = joined.output(0).get_target_inputs()
    assert follower.get_node().get_type_name() == "Add"
    assert [node.get_friendly_name() for node in multiplications(split)] == [f"layer/shard{n}" for n in range(4)]
    assert len(multiplications(model)) == 1


def test_a_layer_that_is_an_output_keeps_its_tensor_name() -> None:
    """Where nothing follows the layer, the Concat is what the output's name means."""
    split = split_fc(build(Form("f32", channels=5, inputs=4))[0], GraphSplit(2, 0))
    assert split.output("y").shape == ov.Shape([3, 5])


@pytest.mark.parametrize(
    ("channels", "count", "bounds"),
    [(6, 2, [(0, 3), (3, 6)]), (7, 3, [(0, 3), (3, 5), (5, 7)]), (4, 4, [(0, 1), (1, 2), (2, 3), (3, 4)])],
)
def test_channels_are_shared_out_evenly(channels: int, count: int, bounds: list[tuple[int, int]]) -> None:
    """Shards differ by one channel at most."""
    assert shard_bounds(channels, count) == bounds


def test_what_can_not_be_split_says_why() -> None:
    """No layer that is large enough, or one with fewer output channels than shards."""
    model, _ = build(Form("f32", channels=3, inputs=4))
    with pytest.raises(ModelError, match=r"no fully connected layer of the model has 13 weights or more\.$"):
        split_fc(model, GraphSplit(2, 13))
    with pytest.raises(ModelError, match=r"a layer with 3 output channels can't be split into 4\.$"):
        split_fc(model, GraphSplit(4, 12))
    assert [layer.facts for layer in fully_connected(model)] == [FullyConnected(12, 3)]


def test_openvino_runs_the_shards() -> None:
    """What is counted in the compiled model are layers that run in shards, not what was asked for."""
    model, _ = build(Form("i8", channels=32, inputs=32))
    assert count_split(compiled(split_fc(model, GraphSplit(3, 0)))) == 1
    assert count_split(compiled(model)) == 0


def test_products_of_activations_are_no_layers() -> None:
    """Attention multiplies what it computes; weights that aren't two-dimensional aren't those of a layer."""
    data = ops.parameter([4, 4], np.float32, name="x")
    stacked = ops.constant(np.ones((2, 4, 4), np.float32))
    product = ops.matmul(ops.matmul(data, ops.relu(data), False, True), stacked, False, False)
    assert not list(fully_connected(ov.Model([ops.result(product)], [data], "no_layers")))


def test_channels_that_are_spread_over_axes_stay_whole() -> None:
    """A Reshape that makes the output channels out of two axes can't be followed."""
    stored = ops.constant(np.ones((2, 3, 4), np.float32))
    weights = ops.reshape(stored, np.array([6, 4], np.int64), False)
    data = ops.parameter([2, 4], np.float32, name="x")
    layer = ops.matmul(data, weights, False, True)
    assert not list(fully_connected(ov.Model([ops.result(layer)], [data], "spread")))


def test_what_lies_along_both_axes_of_a_constant_stays_whole() -> None:
    """A row of W plus its transpose is a row and a column of W."""
    square = ops.constant(np.eye(4, dtype=np.float32))
    weights = ops.add(square, ops.transpose(square, np.array([1, 0])))
    data = ops.parameter([2, 4], np.float32, name="x")
    layer = ops.matmul(data, weights, False, True)
    assert not list(fully_connected(ov.Model([ops.result(layer)], [data], "square")))


def test_a_tied_table_stays_whole_for_the_embedding() -> None:
    """The head reads shards of the table, the embedding the table itself, still compressed."""
    model = tied()
    split = split_fc(model, GraphSplit(2, 0))
    tables = sorted(
        tuple(node.get_output_shape(0))
        for node in split.get_ops()
        if node.get_type_name() == "Constant" and node.get_element_type() == ov.Type.u8
    )
    assert tables == [(3, 8), (4, 8), (7, 8)]
    ids = np.array([0, 6, 3])
    np.testing.assert_allclose(outputs(split, ids), outputs(model, ids), rtol=1e-6)
