"""Requests with their inputs set once, and outputs by name."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from autotp.runtime.compile import Compiled, Plan, compile_plan
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.inference.requests import (
    COPIES,
    Requests,
    copy_seconds,
    create_queue,
    create_requests,
    infer_outputs,
    reset_states,
)
from autotp.runtime.models.model_files import locate
from tests.support.models import WIDTH, counting_model, expected, matmul_model

F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def compiled(path: Path, nireq: int | None = None) -> Compiled:
    """The model in f32."""
    return compile_plan(Plan(files=locate(path), shapes={}, properties=F32, nireq=nireq))


def test_outputs_are_those_of_the_graph(tmp_path: Path) -> None:
    """Each sample gives the outputs that numpy computes, by name."""
    model = compiled(matmul_model(tmp_path))
    samples = seeded_samples(model.info, 0)
    outputs = infer_outputs(model, samples)
    assert len(outputs) == len(samples)
    for sample, output in zip(samples, outputs, strict=True):
        assert list(output) == ["y"]
        np.testing.assert_allclose(output["y"], expected(sample["x"]), rtol=1e-4, atol=1e-5)


def test_outputs_of_one_sample_outlive_the_next(tmp_path: Path) -> None:
    """Outputs are copies: a later inference doesn't write over them."""
    model = compiled(matmul_model(tmp_path))
    samples = seeded_samples(model.info, 0)
    first, second = infer_outputs(model, samples[:2])
    assert not np.array_equal(first["y"], second["y"])


@pytest.mark.parametrize("nireq", [1, 6])
def test_requests_hold_the_samples_in_turn(tmp_path: Path, nireq: int) -> None:
    """Request i has sample i modulo their number as its input, and runs without being given any."""
    model = compiled(matmul_model(tmp_path), nireq)
    samples = seeded_samples(model.info, 0)
    requests = create_requests(model, samples)
    assert len(requests.requests) == nireq
    for index, request in enumerate(requests.requests):
        x = samples[index % len(samples)]["x"]
        np.testing.assert_array_equal(request.get_tensor("x").data, x)
        request.infer()
        np.testing.assert_allclose(request.get_tensor("y").data, expected(x), rtol=1e-4, atol=1e-5)


def test_inputs_are_copied(tmp_path: Path) -> None:
    """What happens to a sample's array after it was set doesn't reach the request, strides neither."""
    model = compiled(matmul_model(tmp_path), 1)
    wide = np.arange(2 * WIDTH, dtype=np.float32)[np.newaxis]
    sample = {"x": wide[:, ::2]}
    wanted = sample["x"].copy()
    request = create_requests(model, (sample,)).requests[0]
    wide[:] = 0
    np.testing.assert_array_equal(request.get_tensor("x").data, wanted)


def test_copies_are_those_of_the_inputs_and_outputs_of_one_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is timed are copies of all their bytes, in and out, each time."""
    copied: list[int] = []
    copy = np.copyto

    def recorded(target: Any, source: Any) -> None:
        copied.append(source.nbytes)
        copy(target, source)

    monkeypatch.setattr(np, "copyto", recorded)
    assert copy_seconds(create_model_requests(matmul_model(tmp_path))) > 0
    assert copied == [4 * WIDTH, 4 * WIDTH] * COPIES


def create_model_requests(path: Path) -> Requests:
    """One request of the model, on a seeded sample."""
    model = compiled(path, 1)
    return create_requests(model, seeded_samples(model.info, 0))


TYPES = ("f16", "f32", "f64", "boolean", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")


def every_type(folder: Path) -> Path:
    """An IR that converts one input of each type, and a scalar, to f32."""
    inputs: list[Any] = [ops.parameter(ov.PartialShape([3]), getattr(ov.Type, name), name=name) for name in TYPES]
    inputs.append(ops.parameter(ov.PartialShape([]), ov.Type.f32, name="scalar"))
    results = []
    for node in inputs:
        node.output(0).set_names({node.friendly_name})
        y: Any = ops.convert(node, "f32")
        y.output(0).set_names({f"{node.friendly_name}_out"})
        results.append(ops.result(y))
    path = folder / "types.xml"
    ov.save_model(ov.Model(results, inputs, "types"), path, compress_to_fp16=False)
    return path


def test_every_type_and_a_scalar_can_be_driven(tmp_path: Path) -> None:
    """Seeded samples of each element type, and of an input without dimensions, can be set and run."""
    model = compiled(every_type(tmp_path), 2)
    samples = seeded_samples(model.info, 0)
    requests = create_requests(model, samples)
    assert copy_seconds(requests) > 0
    request = requests.requests[1]
    request.infer()
    (outputs,) = infer_outputs(model, samples[1:2])
    for name, array in samples[1].items():
        assert outputs[f"{name}_out"].shape == array.shape
        np.testing.assert_allclose(outputs[f"{name}_out"], array.astype(np.float32), rtol=1e-3)
        np.testing.assert_array_equal(request.get_tensor(f"{name}_out").data, outputs[f"{name}_out"])


def test_a_queue_calls_back_once_for_each_inference(tmp_path: Path) -> None:
    """The callback gets each request as it ends, with what was handed over at its start."""
    model = compiled(matmul_model(tmp_path))
    seen: list[tuple[int, float]] = []

    def note(request: Any, userdata: int) -> None:
        seen.append((userdata, float(request.get_tensor("y").data.sum())))

    queue = create_queue(model.compiled_model, 2, note)
    inputs = [np.full((1, WIDTH), index, np.float32) for index in range(7)]
    for index, x in enumerate(inputs):
        queue.start_async({"x": x}, index)
    queue.wait_all()
    sums = {index: float(expected(x).sum()) for index, x in enumerate(inputs)}
    assert len(seen) == 7
    assert dict(seen) == pytest.approx(sums, rel=1e-4)


def test_states_are_reset(tmp_path: Path) -> None:
    """What requests of a model with state carried on is gone: one that grows would slow block after block."""
    model = compiled(counting_model(tmp_path, grows=True), nireq=2)
    requests = create_requests(model, seeded_samples(model.info, 0))
    for _ in range(3):
        for request in requests.requests:
            request.infer()
    assert [request.query_state()[0].state.shape[0] for request in requests.requests] == [3, 3]
    reset_states(requests)
    requests.requests[0].infer()
    assert requests.requests[0].query_state()[0].state.shape[0] == 1
