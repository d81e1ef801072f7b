"""Infer requests whose input tensors are set once, so that a timed call copies no inputs."""

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
    from openvino import AsyncInferQueue as AsyncInferQueue
    from openvino import CompiledModel as CompiledModel
    from openvino import InferRequest as InferRequest

COPIES = 9
STEPS = 4  # inferences of a model with state: an error in its state shows from the second on


class Requests(msgspec.Struct, frozen=True):
    """The infer requests of one compiled model: as a queue for many in flight, and one by one.

    `turn` is their number, rounded up to a multiple of how many run at the same time: for three requests on two
    streams it is four.
    """

    queue: "ov.AsyncInferQueue"
    requests: tuple["ov.InferRequest", ...]
    turn: int


class SampleTensors:
    """A sequence of samples as OpenVINO's tensors, so that a request gets another sample without a copy."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        import openvino as ov

        self._tensors = tuple(
            tuple((name, ov.Tensor(array)) for name, array in sample.items()) for sample in samples
        )

    def __len__(self) -> int:
        return len(self._tensors)

    def set(self, request: "ov.InferRequest", number: int) -> None:
        """Make sample `number` of the sequence, which is repeated without end, the input of `request`."""
        for name, tensor in self._tensors[number % len(self._tensors)]:
            request.set_tensor(name, tensor)


def create_requests(compiled: Compiled, samples: Sequence[Sample]) -> Requests:
    """Create `compiled.nireq` requests; request i has the inputs of sample i modulo the number of samples."""
    import openvino as ov

    queue = create_queue(compiled.compiled_model, compiled.nireq, None)
    requests = tuple(queue[index] for index in range(compiled.nireq))
    for index, request in enumerate(requests):
        for name, array in samples[index % len(samples)].items():
            request.set_tensor(name, ov.Tensor(array))
    side_by_side = min(compiled.nireq, max(1, compiled.effective.streams or 1))
    return Requests(queue, requests, turn=ceil(compiled.nireq / side_by_side) * side_by_side)


def copy_seconds(requests: Requests) -> float:
    """Return the median time in seconds to copy the inputs and outputs of one request."""
    request = requests.requests[0]
    request.infer()  # outputs whose shapes depend on the data have no shape before
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

    A model with state runs each sample `STEPS` times from a reset state, and returns the outputs of each step.
    """
    request = compiled.compiled_model.create_infer_request()
    steps = STEPS if request.query_state() else 1
    outputs = []
    for sample in samples:
        request.reset_state()
        outputs += [named_outputs(request.infer(sample)) for _ in range(steps)]
    return tuple(outputs)


def reset_states(requests: Requests) -> None:
    """Reset the state of every request, if the model has state."""
    if requests.requests[0].query_state():
        for request in requests.requests:
            request.reset_state()


def create_queue(
    compiled_model: "ov.CompiledModel", nireq: int, callback: "Callable[[ov.InferRequest, Any], None] | None"
) -> "ov.AsyncInferQueue":
    """Return a queue of `nireq` requests that calls `callback(request, userdata)` when a request is done."""
    import openvino as ov

    queue = ov.AsyncInferQueue(compiled_model, nireq)
    if callback is not None:
        queue.set_callback(callback)
    return queue


def named_outputs(result: Any) -> dict[str, NDArray[Any]]:
    """Return OpenVINO's result (a map of output ports to arrays) as a dict by output name."""
    return {port_name(port): array for port, array in result.items()}
