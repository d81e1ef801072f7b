"""An IR's inputs and outputs are read from its XML as OpenVINO reads them."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openvino import opset13 as ops

from autotp.runtime.models.ir import read_signature
from autotp.runtime.models.language import Signature, SignedPort, signature_of
from tests.support.language_models import (
    embeddings_language_model,
    language_model,
    sentence_encoder,
    speech_decoder,
)
from tests.support.models import dynamic_model, matmul_model


def both(path: Path) -> tuple[Signature, Signature]:
    """What the XML says, and what OpenVINO says."""
    return read_signature(path.read_bytes()), signature_of(ov.Core().read_model(path))


@pytest.mark.parametrize("make", [language_model, speech_decoder, embeddings_language_model, sentence_encoder])
def test_the_xml_says_what_openvino_says(make: object, tmp_path: Path) -> None:
    """Names, sizes and their order are the same, for every model with beams."""
    assert callable(make)
    read, known = both(make(tmp_path / "model") / "openvino_model.xml")
    assert read == known


def test_static_and_dynamic_sizes_are_told_apart(tmp_path: Path) -> None:
    """A dynamic size is -1."""
    for path, rows in ((matmul_model(tmp_path), 1), (dynamic_model(tmp_path), -1)):
        read, known = both(path)
        assert read == known
        assert read.inputs == (SignedPort(frozenset({"x"}), (rows, 16)),)


def test_inputs_of_loops_are_not_the_models(tmp_path: Path) -> None:
    """A loop has inputs and outputs of its own inside, which only it knows."""
    x = ops.parameter([1, 4], np.float32, name="x")
    x.output(0).set_names({"x"})
    inner = ops.parameter([1, 4], np.float32, name="inner")
    going_on = ops.result(ops.constant(np.array([True])))
    body = ov.Model([ops.result(ops.add(inner, inner)), going_on], [inner], "body")
    loop = ops.loop(ops.constant(np.int64(3)), ops.constant(np.array([True])))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 1])
    loop.set_merged_input(inner, x.output(0), body.get_results()[0].output(0))
    after = loop.get_iter_value(body.get_results()[0].output(0), -1)
    after.get_tensor().set_names({"y"})
    ov.save_model(ov.Model([ops.result(after)], [x], "looping"), tmp_path / "loop.xml")
    read, known = both(tmp_path / "loop.xml")
    assert [port.names for port in read.inputs] == [{"x"}]
    assert read == known


@settings(deadline=None, derandomize=True)
@given(
    st.lists(
        st.sampled_from(
            [
                b"<layers>",
                b"</layers>",
                b'<layer type="Parameter">',
                b'type="Result"',
                b"</layer>",
                b"<dim>4</dim>",
                b"\xff",
            ]
        )
    )
)
def test_any_bytes_are_read(parts: list[bytes]) -> None:
    """Whatever a file holds, its ports are those of well-formed layers; that others are none is for OpenVINO."""
    signature = read_signature(b"".join(parts))
    count = parts.count(b'<layer type="Parameter">') + parts.count(b'type="Result"')
    assert len(signature.inputs) + len(signature.outputs) <= count
