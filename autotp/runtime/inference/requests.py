"""Inference requests with their input tensors set once, so that a timed call carries no data."""

from collections.abc import Callable, Sequence
from math import ceil
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.runtime.compile import Compiled
from autotp.runtime.inference.inputs import Sample
from autotp.runtime.models.read import port_name

if TYPE_CHECKING:
    import openvino as ov

COPIES = 9
STEPS = 4  # of a model with state: an error in what is carried on shows from the second on


class Requests(msgspec.Struct, frozen=True):
    """The requests of one compiled model: the queue for many in flight, its requests for one at a time.

    `turn` is after how many inferences, with all in flight, the streams are where they were: of three requests on
    two streams, which run two at a time, four.
    """

    queue: "ov.AsyncInferQueue"
    requests: tuple["ov.InferRequest", ...]
    turn: int


def create_requests(compiled: Compiled, samples: Sequence[Sample]) -> Requests:
    """Create `compiled.nireq` requests; request i holds sample i modulo their number."""
    import openvino as ov

    queue = create_queue(compiled.compiled_model, compiled.nireq, None)
    requests = tuple(queue[index] for index in range(compiled.nireq))
    for index, request in enumerate(requests):
        for name, array in samples[index % len(samples)].items():
            request.set_tensor(name, ov.Tensor(array))
    side_by_side = min(compiled.nireq, max(1, compiled.effective.streams or 1))
    return Requests(queue, requests, turn=ceil(compiled.nireq / side_by_side) * side_by_side)


def copy_seconds(requests: Requests) -> float:
    """Return how long it takes to copy the inputs of one request in and its outputs out, the median of several."""
    request = requests.requests[0]
    request.infer()  # outputs whose shapes depend on the data have none before
    inputs = [(tensor.data, tensor.data.copy()) for tensor in request.input_tensors]
    outputs = [(np.empty_like(tensor.data), tensor.data) for tensor in request.output_tensors]
    took_s = []
    for _ in range(COPIES):
        began = perf_counter()
        for target, source in (*inputs, *outputs):
            np.copyto(target, source)
        took_s.append(perf_counter() - began)
    return median(took_s)


def infer_outputs(compiled: Compiled, samples: Sequence[Sample]) -> tuple[dict[str, NDArray[Any]], ...]:
    """Run each sample and return its outputs by name.

    A model with state takes each sample several times, from a reset state on, and has an answer for each step.
    """
    request = compiled.compiled_model.create_infer_request()
    steps = STEPS if request.query_state() else 1
    outputs = []
    for sample in samples:
        request.reset_state()
        outputs += [named_outputs(request.infer(sample)) for _ in range(steps)]
    return tuple(outputs)


def reset_states(requests: Requests) -> None:
    """Let every request of a model with state begin anew."""
    if requests.requests[0].query_state():
        for request in requests.requests:
            request.reset_state()


def create_queue(
    compiled_model: "ov.CompiledModel", nireq: int, callback: "Callable[[ov.InferRequest, Any], None] | None"
) -> "ov.AsyncInferQueue":
    """Return a queue of `nireq` requests that calls `callback(request, userdata)` as each one ends."""
    import openvino as ov

    queue = ov.AsyncInferQueue(compiled_model, nireq)
    if callback is not None:
        queue.set_callback(callback)
    return queue


def named_outputs(result: Any) -> dict[str, NDArray[Any]]:
    """Turn OpenVINO's result (output port to array) into a dict by name."""
    return {port_name(port): array for port, array in result.items()}
