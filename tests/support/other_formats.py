"""The same small model in the formats that OpenVINO's frontends read, written by hand, without the frameworks.

All have the input `x` and the output `y`, f32 [1, WIDTH]: y = relu(x w). TensorFlow calls them `x:0` and
`y:0` if there is no signature.
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.onnx_bytes import WIDTH, field

NAMES = ("frozen", "meta", "saved", "tflite", "paddle")
RELU, TANH = "relu", "tanh"
Weights = NDArray[np.float32]


def weights(seed: int = 0) -> Weights:
    """Random weights [WIDTH, WIDTH]."""
    random = np.random.default_rng(seed)
    return random.standard_normal((WIDTH, WIDTH), dtype=np.float32) / np.float32(WIDTH**0.5)


def expected(x: Any, seed: int = 0) -> Any:
    """Return what the model with these weights answers to `x`, by numpy."""
    return np.maximum(x @ weights(seed), 0)


def write_all(folder: Path, w: Weights | None = None, activation: str = RELU) -> dict[str, Path]:
    """Write the model in each format into `folder`; return the paths to give to OpenVINO, by `NAMES`."""
    w = weights() if w is None else w
    saved = folder / "saved"
    (saved / "variables").mkdir(parents=True, exist_ok=True)
    contents = {
        folder / "frozen.pb": graph_def(w, activation),
        folder / "net.ckpt.meta": meta_graph(w, activation),
        saved / "saved_model.pb": saved_model(w, activation),
        folder / "model.tflite": tflite(w, activation),
        folder / "model.pdmodel": pdmodel(activation),
        folder / "model.pdiparams": pdiparams(w),
    }
    for path, content in contents.items():
        path.write_bytes(content)
    return {
        "frozen": folder / "frozen.pb",
        "meta": folder / "net.ckpt.meta",
        "saved": saved,
        "tflite": folder / "model.tflite",
        "paddle": folder / "model.pdmodel",
    }


def graph_def(w: Weights, activation: str = RELU) -> bytes:
    """A frozen TensorFlow GraphDef."""
    kind = _attribute("T", field(6, 1))
    value = field(8, field(1, 1) + field(2, _tf_shape(WIDTH, WIDTH)) + field(4, w.tobytes()))
    return b"".join(
        (
            _tf_node("x", "Placeholder", (), _DTYPE + _attribute("shape", field(7, _tf_shape(1, WIDTH)))),
            _tf_node("w", "Const", (), _DTYPE + _attribute("value", value)),
            _tf_node("product", "MatMul", ("x", "w"), kind),
            _tf_node("y", activation.capitalize(), ("product",), kind),
        )
    )


def meta_graph(w: Weights, activation: str = RELU) -> bytes:
    """A TensorFlow MetaGraphDef with a signature."""
    inputs, outputs = (
        field(
            number, field(1, name) + field(2, field(1, f"{name}:0") + field(2, 1) + field(3, _tf_shape(1, WIDTH)))
        )
        for number, name in ((1, "x"), (2, "y"))
    )
    signature = inputs + outputs + field(3, "tensorflow/serving/predict")
    served = field(5, field(1, "serving_default") + field(2, signature))
    return field(1, field(4, "serve")) + field(2, graph_def(w, activation)) + served


def saved_model(w: Weights, activation: str = RELU) -> bytes:
    """The saved_model.pb of a TensorFlow SavedModel without variables."""
    return field(1, 1) + field(2, meta_graph(w, activation))


def pdmodel(activation: str = RELU) -> bytes:
    """A Paddle ProgramDesc; its weights are in `pdiparams`."""
    column = field(4, field(1, "col") + field(2, 0) + field(3, 0))
    transposed = b"".join(field(4, field(1, f"trans_{which}") + field(2, 6) + field(10, 0)) for which in "xy")
    block = b"".join(
        (
            field(1, 0),
            field(2, 0),
            field(3, field(1, "feed") + field(2, field(1, 9)) + field(3, 1)),
            field(3, field(1, "fetch") + field(2, field(1, 10)) + field(3, 1)),
            _pd_variable("x", 1),
            _pd_variable("w", WIDTH, stored=True),
            _pd_variable("product", 1),
            _pd_variable("y", 1),
            _pd_operator("feed", {"X": "feed"}, {"Out": "x"}, column),
            _pd_operator("matmul_v2", {"X": "x", "Y": "w"}, {"Out": "product"}, transposed),
            _pd_operator(activation, {"X": "product"}, {"Out": "y"}),
            _pd_operator("fetch", {"X": "y"}, {"Out": "fetch"}, column),
        )
    )
    return field(1, block) + field(4, field(1, 0))


def pdiparams(w: Weights) -> bytes:
    """The file of Paddle's weights."""
    described = _pd_tensor(WIDTH)
    return struct.pack("<IQIi", 0, 0, 0, len(described)) + described + w.tobytes()


def tflite(w: Weights, activation: str = RELU) -> bytes:
    """A TensorFlow Lite flatbuffer."""
    fully_connected = 9
    fused = {RELU: 1, TANH: 4}[activation]

    def tensor_(name: str, rows: int, buffer: int) -> Table:
        return {0: [rows, WIDTH], 1: ("b", 0), 2: ("I", buffer), 3: name}

    operator = {0: ("I", 0), 1: [0, 1], 2: [2], 3: ("B", 8), 4: {0: ("b", fused)}}
    subgraph = {
        0: [tensor_("x", 1, 0), tensor_("w", WIDTH, 1), tensor_("y", 1, 0)],
        1: [0],
        2: [2],
        3: [operator],
        4: "main",
    }
    codes = [{0: ("b", fully_connected), 3: ("i", fully_connected)}]
    buffers = [{}, {0: w.T.tobytes()}]
    return flatbuffer({0: ("I", 3), 1: codes, 2: [subgraph], 3: "model", 4: buffers}, b"TFL3")


Table = dict[int, Any]


def flatbuffer(root: Table, identifier: bytes) -> bytes:
    """Return a flatbuffer of the table `root`.

    A table maps fields to values: (format, number), text, bytes, a list of whole numbers or of tables, or a table.
    """
    data = bytearray(8)
    _refer(data, 0, root)
    data[4:8] = identifier
    return bytes(data)


def _refer(data: bytearray, at: int, value: Any) -> None:
    """Append `value`, and write at `at` how far away it is."""
    if isinstance(value, dict):
        table = _append_table(data, value)
        struct.pack_into("<I", data, at, table - at)
        return
    content = value.encode() if isinstance(value, str) else value
    data += bytes(-(len(data) + 4) % 16)  # the bytes after the length are aligned
    struct.pack_into("<I", data, at, len(data) - at)
    data += struct.pack("<I", len(content))
    first = len(data)
    if isinstance(content, bytes):
        data += content + b"\0"
    elif content and isinstance(content[0], dict):
        data += bytes(4 * len(content))
        for index, table in enumerate(content):
            _refer(data, first + 4 * index, table)
    else:
        data += struct.pack(f"<{len(content)}i", *content)


def _append_table(data: bytearray, table: Table) -> int:
    """Append `table`, each of whose fields takes four bytes; return where it starts."""
    count = max(table, default=-1) + 1
    places = {number: 4 + 4 * index for index, number in enumerate(table)}
    data += bytes(-(len(data) + 4 + 2 * count) % 8)
    vtable = len(data)
    slots = [places.get(number, 0) for number in range(count)]
    data += struct.pack(f"<HH{count}H", 4 + 2 * count, 4 + 4 * len(table), *slots)
    start = len(data)
    data += struct.pack("<i", start - vtable) + bytes(4 * len(table))
    for number, value in table.items():
        if isinstance(value, tuple):
            struct.pack_into(f"<{value[0]}", data, start + places[number], value[1])
        else:
            _refer(data, start + places[number], value)
    return start


def _attribute(name: str, value: bytes) -> bytes:
    return field(5, field(1, name) + field(2, value))


_DTYPE = _attribute("dtype", field(6, 1))


def _tf_shape(*sizes: int) -> bytes:
    return b"".join(field(2, field(1, size)) for size in sizes)


def _tf_node(name: str, op: str, inputs: tuple[str, ...], attributes: bytes) -> bytes:
    return field(1, field(1, name) + field(2, op) + b"".join(field(3, each) for each in inputs) + attributes)


def _pd_tensor(rows: int) -> bytes:
    return field(1, 5) + field(2, rows) + field(2, WIDTH)


def _pd_variable(name: str, rows: int, stored: bool = False) -> bytes:
    kind = field(1, 7) + field(3, field(1, _pd_tensor(rows)))
    return field(3, field(1, name) + field(2, kind) + (field(3, 1) if stored else b""))


def _pd_operator(kind: str, inputs: dict[str, str], outputs: dict[str, str], attributes: bytes = b"") -> bytes:
    ports = b"".join(
        field(number, field(1, slot) + field(2, name))
        for number, slots in ((1, inputs), (2, outputs))
        for slot, name in slots.items()
    )
    return field(4, ports + field(3, kind) + attributes)
