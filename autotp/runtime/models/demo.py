"""The model of the demo: a small convolutional network, built in code.

It has the shape of networks for cameras and microphones with little power, such as a MobileNet of a quarter of its
usual width: blocks of a depthwise and a pointwise convolution over few channels. OpenVINO's hints often leave
something on the table there, so that the demo can show a gain (`GAINS` says what from).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import openvino as ov

CHANNELS = 8
SIZE = 32
BLOCKS = 12

ABOUT = (
    f"a convolutional network of {CHANNELS} channels, chosen because it runs for a fraction of a millisecond and "
    "OpenVINO's hints are often not the best for such models"
)
GAINS: Mapping[str, str] = {
    "inference_precision_hint": (
        f"f32 instead of bf16, OpenVINO's default on this CPU: with {CHANNELS} channels, bf16 pads and converts "
        "more than it saves"
    ),
    "inference_num_threads": "fewer threads, which wait less for one another and fit into a CPU quota",
    "num_streams": "inferences side by side, so that no thread waits for others after each of the small layers",
    "nireq": "more requests in flight than streams, so that a stream has its next request at once",
}


def build_demo_model(folder: Path) -> Path:
    """Write the demo's IR (`demo.xml` and `demo.bin`, 7 kB) into `folder` and return the .xml.

    Its input `image` is f32 [1, 3, 32, 32], its output `features` is f32 [1, 8, 32, 32]. The weights are random
    with a fixed seed, so the file's digest is the same everywhere.
    """
    import openvino as ov
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    image = ops.parameter([1, 3, SIZE, SIZE], np.float32, name="image")
    image.output(0).set_names({"image"})
    features: Any = ops.relu(_convolution(image, _weights(rng, CHANNELS, 3, 3, 3)))
    for _ in range(BLOCKS):
        features = ops.add(features, _block(features, rng))
    result = ops.result(features)
    result.output(0).set_names({"features"})
    model = ov.Model([result], [image], "demo")
    for index, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(
            f"{node.get_type_name()}_{index}"
        )  # OpenVINO's own names contain a counter of the process
    path = folder / "demo.xml"
    ov.save_model(model, path, compress_to_fp16=False)
    return path


def _block(features: Any, rng: np.random.Generator) -> "ov.Node":
    """Return a depthwise convolution, an activation, and a pointwise convolution of `features`."""
    from openvino import opset13 as ops

    depthwise = ops.constant(_weights(rng, CHANNELS, 1, 1, 3, 3))
    spatial = ops.group_convolution(features, depthwise, [1, 1], [1, 1], [1, 1], [1, 1])
    return _convolution(ops.relu(spatial), _weights(rng, CHANNELS, CHANNELS, 1, 1))


def _convolution(features: Any, weights: NDArray[np.float32]) -> "ov.Node":
    """Return a convolution that keeps the size of `features`."""
    from openvino import opset13 as ops

    pads = [size // 2 for size in weights.shape[2:]]
    return ops.convolution(features, ops.constant(weights), [1, 1], pads, pads, [1, 1])


def _weights(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Return random weights that keep the size of values about the same."""
    inputs = np.prod(shape[-3:])
    return rng.standard_normal(shape, dtype=np.float32) / np.float32(inputs**0.5)
