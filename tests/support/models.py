"""Small models in OpenVINO's IR, built in code, for tests that need a real one."""

from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 16


def matmul_model(folder: Path, name: str = "model", width: int = WIDTH, seed: int = 0) -> Path:
    """Write an IR with input `x` and output `y`, both f32 [1, width], and return its .xml: y = relu(x W)."""
    return _save(_matmul([1, width], width, seed), folder, name)


def dynamic_model(folder: Path, name: str = "dynamic", width: int = WIDTH) -> Path:
    """Write the same as `matmul_model` with `x` and `y` f32 [?, width], and return its .xml."""
    return _save(_matmul([-1, width], width, seed=0), folder, name)


def wide_model(folder: Path, name: str = "wide", rows: int = 2048, width: int = 64) -> Path:
    """Write an IR with work for many threads but few weights, input `x` f32 [rows, width], and return its .xml."""
    return _save(_matmul([rows, width], width, seed=0), folder, name)


def layered_model(folder: Path, name: str, layers: int, width: int = 256, rows: int = 16) -> Path:
    """Write an IR of so many equal layers, whose time grows with their number, and return its .xml."""
    import openvino as ov
    from openvino import opset13 as ops

    x = ops.parameter([rows, width], np.float32, name="x")
    x.output(0).set_names({"x"})
    y: Any = x
    for layer in range(layers):
        y = ops.relu(ops.matmul(y, ops.constant(_weights(width, seed=layer)), False, False))
    return _save(ov.Model([ops.result(y)], [x], name), folder, name)


def counting_model(folder: Path, name: str = "counting", grows: bool = False) -> Path:
    """Write an IR with state, input `x` and output `y` f32 [1, 4]: y = sum of all x since the reset.

    Where it `grows` the state is all of them, else their sum.
    """
    import openvino as ov
    from openvino import opset13 as ops

    x = ops.parameter([1, 4], np.float32, name="x")
    x.output(0).set_names({"x"})
    shape = ov.PartialShape([-1 if grows else 1, 4])
    before = ops.read_value(ops.constant(np.zeros((0 if grows else 1, 4), np.float32)), "past", np.float32, shape)
    after = ops.concat([before, x], 0) if grows else ops.add(before, x)
    y = ops.reduce_sum(after, ops.constant(np.array([0], np.int64)), True)
    y.output(0).set_names({"y"})
    return _save(ov.Model([ops.result(y)], [ops.assign(after, "past")], [x], name), folder, name)


def branching_model(folder: Path, name: str = "branching", width: int = 512, layers: int = 8) -> Path:
    """Write an IR whose time depends on `flag`, boolean [1]: y is 2 x if it is set, else `layers` layers of x."""
    import openvino as ov
    from openvino import opset13 as ops

    flag, x = ops.parameter([1], np.bool_, name="flag"), ops.parameter([1, width], np.float32, name="x")
    for parameter in (flag, x):
        parameter.output(0).set_names({parameter.friendly_name})
    cheap, costly = (ops.parameter([1, width], np.float32) for _ in range(2))
    layered: Any = costly
    for layer in range(layers):
        layered = ops.relu(ops.matmul(layered, ops.constant(_weights(width, seed=layer)), False, False))
    branch = ops.if_op(flag)
    for body, inner, set_body in (
        (ops.multiply(cheap, ops.constant(np.float32(2.0))), cheap, branch.set_then_body),
        (layered, costly, branch.set_else_body),
    ):
        set_body(ov.Model([ops.result(body)], [inner], "branch"))
    branch.set_input(x.output(0), cheap, costly)
    y = branch.set_output(branch.get_function(0).get_results()[0], branch.get_function(1).get_results()[0])
    y.set_names({"y"})
    return _save(ov.Model([ops.result(y)], [flag, x], name), folder, name)


def looping_model(folder: Path, name: str = "looping", width: int = 256) -> Path:
    """Write an IR that applies a layer to `x`, f32 [1, width], as many times as `trips`, i64 [1], says."""
    import openvino as ov
    from openvino import opset13 as ops

    trips, x = ops.parameter([1], np.int64, name="trips"), ops.parameter([1, width], np.float32, name="x")
    for parameter in (trips, x):
        parameter.output(0).set_names({parameter.friendly_name})
    before = ops.parameter([1, width], np.float32)
    after = ops.relu(ops.matmul(before, ops.constant(_weights(width, seed=0)), False, False))
    go_on = ops.result(ops.constant(np.array([True])))
    body = ov.Model([ops.result(after), go_on], [before], "trip")
    loop = ops.loop(trips, ops.constant(np.array([True])))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 1])
    loop.set_merged_input(before, x.output(0), body.get_results()[0].output(0).get_node().input_value(0))
    y = loop.get_iter_value(body.get_results()[0].output(0).get_node().input_value(0), -1)
    y.set_names({"y"})
    return _save(ov.Model([ops.result(y)], [trips, x], name), folder, name)


def chaotic_model(folder: Path, name: str = "chaotic", width: int = 256, turns: int = 8) -> Path:
    """Write an IR, `x` and `y` f32 [1, width], that doubles any error `turns` times: a logistic map."""
    import openvino as ov
    from openvino import opset13 as ops

    x = ops.parameter([1, width], np.float32, name="x")
    x.output(0).set_names({"x"})
    y = ops.sigmoid(ops.matmul(x, ops.constant(_weights(width, 0)), False, False))
    for _ in range(turns):
        y = ops.multiply(
            ops.constant(np.float32(4.0)), ops.multiply(y, ops.subtract(ops.constant(np.float32(1.0)), y))
        )
    y.output(0).set_names({"y"})
    return _save(ov.Model([ops.result(y)], [x], name), folder, name)


def sized_model(folder: Path, name: str = "sized") -> Path:
    """Write an IR with inputs `x` f32 [3, 4] and `size` i64 [2], and return its .xml: `y` is x in that size."""
    import openvino as ov
    from openvino import opset13 as ops

    x, size = ops.parameter([3, 4], np.float32, name="x"), ops.parameter([2], np.int64, name="size")
    for port in (x, size):
        port.output(0).set_names({port.get_friendly_name()})
    y = ops.reshape(x, size, False, name="sized")
    y.output(0).set_names({"y"})
    return _save(ov.Model([ops.result(y)], [x, size], name), folder, name)


def data_weights_model(folder: Path, name: str = "data_weights") -> Path:
    """Write an IR, `x` f32 [4, WIDTH], with a layer of constant weights and one of weights found in the data.

    The second layer's weights have a static shape, but are made of the places of numbers other than 0.
    """
    import openvino as ov
    from openvino import opset13 as ops

    x: Any = ops.parameter([4, WIDTH], np.float32, name="x")
    x.output(0).set_names({"x"})
    hidden = ops.matmul(x, ops.constant(_weights(WIDTH, 0)), False, False)
    places = ops.convert(ops.non_zero(ops.add(ops.abs(x), ops.constant(np.float32(1.0)))), "f32")
    y = ops.matmul(hidden, ops.reshape(places, ops.constant([WIDTH, 8]), False), False, False)
    y.output(0).set_names({"y"})
    return _save(ov.Model([ops.result(y)], [x], name), folder, name)


def past_model(folder: Path, name: str = "past", past: int = -1) -> Path:
    """Write an IR with inputs `x` [1, WIDTH] and `past` [past, WIDTH], f32, and return its .xml: `y` sums them."""
    import openvino as ov
    from openvino import opset13 as ops

    ports = [
        ops.parameter([1, WIDTH], np.float32, name="x"),
        ops.parameter([past, WIDTH], np.float32, name="past"),
    ]
    for port in ports:
        port.output(0).set_names({port.get_friendly_name()})
    y = ops.reduce_sum(ops.concat(ports, 0), ops.constant([0]), True)
    y.output(0).set_names({"y"})
    return _save(ov.Model([ops.result(y)], ports, name), folder, name)


def expected(x: Any, width: int = WIDTH, seed: int = 0) -> Any:
    """Return what both models answer to `x`, by numpy."""
    return np.maximum(x @ _weights(width, seed), 0)


def _matmul(shape: list[int], width: int, seed: int) -> Any:
    import openvino as ov
    from openvino import opset13 as ops

    x = ops.parameter(shape, np.float32, name="x")
    x.output(0).set_names({"x"})
    y = ops.relu(ops.matmul(x, ops.constant(_weights(width, seed)), False, False))
    y.output(0).set_names({"y"})
    return ov.Model([ops.result(y)], [x], "matmul")


def _weights(width: int, seed: int) -> Any:
    random = np.random.default_rng(seed)
    return random.standard_normal((width, width), dtype=np.float32) / np.float32(width**0.5)


def _save(model: Any, folder: Path, name: str) -> Path:
    import openvino as ov

    path = folder / f"{name}.xml"
    ov.save_model(model, path, compress_to_fp16=False)
    return path
