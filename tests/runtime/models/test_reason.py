"""OpenVINO's errors of several lines, shortened to what is wrong and where."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.runtime.models.reason import MOST_CHARACTERS, reason
from tests.support import onnx_bytes
from tests.support.models import sized_model


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Exception from src/a.cpp:1:\nCheck 'x' failed at b.cpp:2:\nThe reason.\n", "The reason"),
        ("Check 'x' failed at b.cpp:2:\nWhile validating node 'y':\n  Sizes   differ!  \n", "Sizes differ"),
        ("Exception from src/a.cpp:1:\n", "Exception from src/a.cpp:1"),
        ("Exception from src/a.cpp:1:\nCheck 'a == b' failed at b.cpp:2\n", "its check 'a == b' failed"),
        ("[CPU] Where\nWhy:", "[CPU] Where; Why"),
        ("", "RuntimeError"),
        ("x" * 1000, "x" * MOST_CHARACTERS + "…"),
    ],
)
def test_the_reason_is_what_tells(text: str, expected: str) -> None:
    """Places in OpenVINO's sources are left out, unless there is nothing else; there is no full stop."""
    assert reason(RuntimeError(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[TensorFlow Frontend] Internal error, no translator",
            "[TensorFlow Frontend] Internal error, no translator",
        ),
        ("[CPU] Eye node with name 'e' has no rows", "[CPU] Eye node with name 'e' has no rows"),
        (
            "[CPU] TopK node with name 't' Check 'k >= 1' failed at src/t.cpp:8:\nK (0) is too small.",
            "K (0) is too small (at node t)",
        ),
        (
            "While validating node 'v1::Add A (x[0]:f32[2]) -> (f32[?])' with friendly_name 'sum':\n"
            "Shape inference input shapes {[2],[3]}\nThe shapes differ.",
            "The shapes differ (at node sum)",
        ),
        ("While validating ONNX node '<Node(Resize): y>': The mode isn't known", "The mode isn't known"),
        ("Check 'false' failed at src/f.cpp:4:\nLoading input model\nNo tensor \"q\"", 'No tensor "q"'),
        (
            "Unsupported operation of type: Foo name: f\nDetails:\nIts rank",
            "Unsupported operation of type: Foo name: f; Its rank",
        ),
        (
            "FrontEnd API failed with OpConversionFailure:\n"
            "Model wasn't fully converted. Failed operations detailed log:\n"
            "-- MatMul-17 with a message:\nSizes differ.\n"
            "Summary:\n-- No conversion rule found for operations: Foo\n-- Conversion is failed for: MatMul-17",
            "No conversion rule found for operations: Foo; MatMul-17 with a message: Sizes differ",
        ),
    ],
    ids=["frontend", "node", "check of a node", "shapes", "onnx", "heading", "details", "unconverted"],
)
def test_every_form_keeps_its_telling_line(text: str, expected: str) -> None:
    """Frontends, nodes of the CPU plugin, shape inference, headings and summaries; the node is named once."""
    assert reason(RuntimeError(text)) == expected


def unknown_operation(folder: Path) -> None:
    """Read an ONNX model with an operation that doesn't exist."""
    path = folder / "m.onnx"
    path.write_bytes(onnx_bytes.model(onnx_bytes.graph(onnx_bytes.node("Blancmange"))))
    ov.Core().read_model(path)


def tensor_from_nowhere(folder: Path) -> None:
    """Read an ONNX model whose node takes a tensor `w` that nothing makes."""
    path = folder / "m.onnx"
    path.write_bytes(onnx_bytes.model(onnx_bytes.graph(weights=onnx_bytes.tensor(name="other"))))
    ov.Core().read_model(path)


def widths_that_differ(folder: Path) -> None:
    """Read an ONNX model that multiplies [1, 24] by [31, 31]."""
    path = folder / "m.onnx"
    weights = onnx_bytes.tensor(bytes(31 * 31 * 4), width=31)
    path.write_bytes(onnx_bytes.model(onnx_bytes.graph(weights=weights)))
    ov.Core().read_model(path)


def reshape_that_does_not_fit(folder: Path) -> None:
    """Reshape two inputs that are joined along an axis, so that their other sizes differ."""
    both: Any = [ops.parameter([-1, 4], np.float32, name=name) for name in "ab"]
    joined = ops.concat(both, 1)
    joined.set_friendly_name("joined")
    ov.Model([ops.result(joined)], both, "m").reshape({0: [41, 4], 1: [43, 4]})


def inference_of_a_wrong_size(folder: Path) -> None:
    """Run a model that reshapes 12 numbers to [5, 7]."""
    compiled = ov.Core().compile_model(sized_model(folder), "CPU")
    compiled({"x": np.zeros((3, 4), np.float32), "size": np.array([5, 7])})


@pytest.mark.parametrize(
    ("fail", "telling"),
    [
        (unknown_operation, ("Blancmange",)),
        (tensor_from_nowhere, ('"w"',)),
        (widths_that_differ, ("MatMul", "24", "31")),
        (reshape_that_does_not_fit, ("joined", "axis")),
        (inference_of_a_wrong_size, ("sized", "5", "7")),
    ],
)
def test_openvinos_own_errors_keep_what_tells(
    tmp_path: Path, fail: Callable[[Path], None], telling: tuple[str, ...]
) -> None:
    """What the user has named or set stands in the reason; what only OpenVINO's authors understand doesn't."""
    with pytest.raises(RuntimeError) as caught:
        fail(tmp_path)
    found = reason(caught.value)
    assert all(part in found for part in telling), found
    assert not [part for part in ("Check '", "Exception from", ".cpp", "\n") if part in found]
