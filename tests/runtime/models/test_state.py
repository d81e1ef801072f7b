"""States get the shapes that reshaped inputs give them."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.runtime.models.state import settle_states


def accumulator(grows: bool) -> ov.Model:
    """Input `x` and output `y` f32 [?, 4]: y = sum of all x since the reset; where it `grows`, all of them."""
    x = ops.parameter([-1, 4], np.float32, name="x")
    x.output(0).set_names({"x"})
    rows = ops.gather(ops.shape_of(x), ops.constant([0]), ops.constant(0))
    sizes = ops.concat([ops.constant(np.array([0])) if grows else rows, ops.constant(np.array([4]))], 0)
    nothing = ops.broadcast(ops.constant(np.float32(0)), sizes)
    before = ops.read_value(nothing, "past", np.float32, [-1, 4])
    after = ops.concat([before, x], 0) if grows else ops.add(before, x)
    return ov.Model([ops.result(after)], [ops.assign(after, "past")], [x], "accumulator")


@pytest.mark.parametrize(("grows", "shape"), [(False, "[3,4]"), (True, "[?,4]")])
def test_only_a_state_that_stays_the_same_is_settled(grows: bool, shape: str, tmp_path: Path) -> None:
    """Read from a file and reshaped, a model goes on from its state, whether that grows or not."""
    ov.save_model(accumulator(grows), tmp_path / "model.xml", compress_to_fp16=False)
    core = ov.Core()
    model = core.read_model(tmp_path / "model.xml")
    model.reshape({"x": [3, 4]})
    settle_states(model)
    (variable,) = model.get_variables()
    assert str(variable.info.data_shape) == shape
    request = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    ones = np.ones((3, 4), np.float32)
    answers = [next(iter(request.infer({"x": ones}).values())).copy() for _ in range(3)]
    assert [len(answer) for answer in answers] == ([3, 6, 9] if grows else [3, 3, 3])
    assert [answer.sum() for answer in answers] == [12, 24, 36]


def test_a_model_without_state_stays_as_it_is() -> None:
    """Nothing is to be done."""
    x = ops.parameter([-1, 4], np.float32, name="x")
    model = ov.Model([ops.result(ops.relu(x))], [x], "plain")
    settle_states(model)
    assert len(model.get_ops()) == 3
