"""Reading and reshaping models, and errors of one sentence."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.errors import ModelError
from autotp.options import Spelling, spelled_for
from autotp.runtime.compile import inspect_model
from autotp.runtime.models.model_files import locate
from autotp.runtime.models.read import ModelInfo, Port, Shape
from autotp.space.knobs.graph_split import FullyConnected
from tests.support import other_formats
from tests.support.models import WIDTH, dynamic_model, matmul_model
from tests.support.real_models import real_model_or_skip


def refusal(path: Path, shapes: dict[str, Shape] | None = None) -> str:
    """The one sentence with which the model is refused on the command line."""
    with spelled_for(Spelling.COMMAND_LINE), pytest.raises(ModelError) as caught:
        inspect_model(locate(path), shapes or {})
    text = str(caught.value)
    assert "\n" not in text
    assert "Check '" not in text
    assert "Exception from" not in text
    return text


def test_a_static_model_needs_no_shape(tmp_path: Path) -> None:
    """Ports have their name, element type and shape, layers that can be split their weights and channels."""
    port, layer = ("f32", (1, WIDTH)), FullyConnected(WIDTH * WIDTH, WIDTH)
    info = inspect_model(locate(matmul_model(tmp_path)), {})
    assert info == ModelInfo((Port("x", *port),), (Port("y", *port),), (layer,))


def test_shapes_reach_outputs(tmp_path: Path) -> None:
    """A shape given for an input is propagated to the outputs, of dynamic models and static ones."""
    for path in (dynamic_model(tmp_path), matmul_model(tmp_path)):
        info = inspect_model(locate(path), {"x": (5, WIDTH)})
        assert (info.inputs[0].shape, info.outputs[0].shape) == ((5, WIDTH), (5, WIDTH))


def test_a_dynamic_model_lists_its_inputs_and_shows_the_flag(tmp_path: Path) -> None:
    """Without a shape the text names each input with its shape and the very flag to add."""
    text = refusal(dynamic_model(tmp_path))
    assert f"x [?,{WIDTH}]" in text
    assert f"--shape 'x=[1,{WIDTH}]'" in text


def test_the_flag_is_shown_for_dynamic_inputs_alone(tmp_path: Path) -> None:
    """Bounds, unknown ranks and several inputs give an example for each dynamic one."""
    shapes = {
        "a": ov.PartialShape([ov.Dimension(3, 9), 2]),
        "b": ov.PartialShape.dynamic(),
        "c": ov.PartialShape([4]),
    }
    path = several_inputs(tmp_path, shapes)
    text = refusal(path)
    assert "--shape 'a=[3,2]' --shape 'b=[1,1]'" in text
    assert "'c=" not in text
    assert "c [4]" in text


def test_a_program_is_shown_the_argument(tmp_path: Path) -> None:
    """From Python the text names the keyword argument, with shapes as it takes them."""
    with pytest.raises(ModelError, match=re.escape(f"shapes={{'x': [1, {WIDTH}]}}")):
        inspect_model(locate(dynamic_model(tmp_path)), {})


def several_inputs(folder: Path, shapes: dict[str, ov.PartialShape]) -> Path:
    """An IR that hands each input through a ReLU to an output of the name in upper case."""
    inputs, outputs = [], []
    for name, shape in shapes.items():
        x: Any = ops.parameter(shape, np.float32, name=name)
        x.output(0).set_names({name})
        y: Any = ops.relu(x)
        y.output(0).set_names({name.upper()})
        inputs.append(x)
        outputs.append(ops.result(y))
    path = folder / "several.xml"
    ov.save_model(ov.Model(outputs, inputs, "several"), path)
    return path


def test_an_input_left_dynamic_is_asked_for(tmp_path: Path) -> None:
    """A shape for one of two dynamic inputs still leaves the other one to be given."""
    path = several_inputs(tmp_path, dict.fromkeys("ab", ov.PartialShape([-1])))
    text = refusal(path, {"a": (3,)})
    assert "--shape 'b=[1]'" in text
    assert "--shape 'a=" not in text


def test_an_output_may_stay_dynamic(tmp_path: Path) -> None:
    """An output whose shape depends on data has the shape ()."""
    x: Any = ops.parameter([4], np.float32, name="x")
    x.output(0).set_names({"x"})
    path = tmp_path / "nonzero.xml"
    ov.save_model(ov.Model([ops.result(ops.non_zero(x, "i64"))], [x], "nonzero"), path)
    info = inspect_model(locate(path), {})
    assert info.outputs[0].shape == ()
    assert info.outputs[0].element_type == "i64"


def test_an_input_without_a_name_gets_one(tmp_path: Path) -> None:
    """A nameless input is called by its place, and takes shapes by that name."""
    path = matmul_model(tmp_path)
    path.write_text(re.sub(r' names="[^"]*"', "", path.read_text()))
    assert inspect_model(locate(path), {}).inputs[0].name == "input0"
    assert inspect_model(locate(path), {"input0": (7, WIDTH)}).outputs[0].shape == (7, WIDTH)


def test_any_name_of_an_input_takes_a_shape(tmp_path: Path) -> None:
    """An input with two names is reported by the first of them and found by either."""
    x: Any = ops.parameter([-1], np.float32)
    x.output(0).set_names({"second", "first"})
    path = tmp_path / "two.xml"
    ov.save_model(ov.Model([ops.result(ops.relu(x))], [x], "two"), path)
    for name in ("first", "second"):
        assert inspect_model(locate(path), {name: (3,)}).inputs == (Port("first", "f32", (3,)),)


def test_an_unknown_input_lists_those_there_are(tmp_path: Path) -> None:
    """A shape for an input that doesn't exist names it and the inputs."""
    text = refusal(matmul_model(tmp_path), {"image": (1, WIDTH)})
    assert text == f"The model has no input 'image'; its inputs are x [1,{WIDTH}]."


@pytest.mark.parametrize("shape", [(1, WIDTH + 1), (1, WIDTH, 1), ()])
def test_a_shape_that_does_not_fit_says_why(tmp_path: Path, shape: Shape) -> None:
    """A shape that the graph can't take is repeated with OpenVINO's own reason."""
    text = refusal(matmul_model(tmp_path), {"x": shape})
    assert re.fullmatch(rf"The model can't take the shape x={re.escape(str(list(shape)))}: .+\.", text)


def test_a_real_models_wrong_shape_says_why() -> None:
    """The OCR recogniser refuses four channels in words."""
    real = real_model_or_skip("rec")
    text = refusal(real.path, {real.input_name: (1, 4, 48, 320)})
    assert re.fullmatch(rf"The model can't take the shape {real.input_name}=\[1, 4, 48, 320\]: .+\.", text)


@pytest.mark.parametrize("content", ["", "hello", "<net", "<a/>"])
def test_broken_xml_is_one_sentence(tmp_path: Path, content: str) -> None:
    """A file that isn't an IR is named with OpenVINO's reason."""
    path = tmp_path / "broken.xml"
    path.write_text(content)
    assert refusal(path).startswith(f"OpenVINO can't read {path}: ")


def test_an_xml_cut_short_is_one_sentence(tmp_path: Path) -> None:
    """An IR whose .xml ends early is refused."""
    path = matmul_model(tmp_path)
    path.write_text(path.read_text()[:500])
    assert refusal(path).startswith(f"OpenVINO can't read {path}: ")


@pytest.mark.parametrize("keep_bytes", [None, 0, 100])
def test_weights_missing_or_cut_short_are_one_sentence(tmp_path: Path, keep_bytes: int | None) -> None:
    """A .bin that isn't there, is empty or too short is refused when the model is read."""
    path = matmul_model(tmp_path)
    weights = path.with_suffix(".bin")
    kept = weights.read_bytes()[:keep_bytes]
    weights.unlink()
    if keep_bytes is not None:
        weights.write_bytes(kept)
    text = refusal(path)
    assert text.startswith(f"OpenVINO can't read {path}: ")
    assert text.endswith(f" {weights.name}, which should hold its weights, isn't beside it.") == (
        keep_bytes is None
    )


@pytest.mark.parametrize(("name", "content"), [("notes.txt", b"hello"), ("net.pt", b"PK\3\4"), ("net.h5", b"")])
def test_a_file_that_no_frontend_recognises_is_refused_with_a_way(
    name: str, content: bytes, tmp_path: Path
) -> None:
    """OpenVINO says what it reads, and the sentence how a model of another framework becomes that."""
    path = tmp_path / name
    path.write_bytes(content)
    text = refusal(path)
    assert text.startswith(f"OpenVINO can't read {path}: ")
    assert "openvino.convert_model" in text


def test_a_recognised_model_that_is_incomplete_is_refused_without_that(tmp_path: Path) -> None:
    """Converting wouldn't help where the weights are missing, or an operation is unknown."""
    other_formats.write_all(tmp_path)
    (tmp_path / "model.pdiparams").unlink()
    (tmp_path / "frozen.pb").write_bytes(other_formats.graph_def(other_formats.weights(), "nonsense"))
    for name in ("model.pdmodel", "frozen.pb"):
        text = refusal(tmp_path / name)
        assert text.startswith(f"OpenVINO can't read {tmp_path / name}: ")
        assert "convert_model" not in text


def test_a_cut_onnx_is_one_sentence(tmp_path: Path) -> None:
    """Half of the OCR recogniser is refused."""
    path = tmp_path / "half.onnx"
    path.write_bytes(real_model_or_skip("rec").path.read_bytes()[:5_000_000])
    assert refusal(path).startswith(f"OpenVINO can't read {path}: ")
