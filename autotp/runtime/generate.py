"""One generation of a language model: a prompt is read at once (prefill), then token after token (decode)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autotp.runtime.language import BEAMS, MASK, POSITIONS, TOKENS

if TYPE_CHECKING:
    import openvino as ov

Tokens = NDArray[np.int64]
_Fill = Callable[[Tokens, int], NDArray[Any]]

# What goes in with `tokens` [batch, count] after `read` others of each sequence.
_FILLS: dict[str, _Fill] = {
    TOKENS: lambda tokens, _: tokens,
    MASK: lambda tokens, read: np.ones((len(tokens), read + tokens.shape[1]), np.int64),
    POSITIONS: lambda tokens, read: np.tile(np.arange(read, read + tokens.shape[1]), (len(tokens), 1)),
    BEAMS: lambda tokens, _: np.arange(len(tokens)),
}


class Generator:
    """One request of a compiled language model; `position` is how many tokens of each sequence it has read."""

    def __init__(self, compiled_model: "ov.CompiledModel") -> None:
        self.position = 0
        self._request = compiled_model.create_infer_request()
        names = [
            (next(name for name in _FILLS if name in port.get_names()), port) for port in compiled_model.inputs
        ]
        self._inputs = [(_FILLS[name], port, port.element_type.to_dtype()) for name, port in names]

    def forget(self) -> None:
        """Begin anew, with no context."""
        self._request.reset_state()
        self.position = 0

    def read(self, tokens: Tokens) -> float:
        """Read `tokens` [batch, count] on top of what was read before; return the seconds that OpenVINO took."""
        import openvino as ov

        for fill, port, dtype in self._inputs:
            array = np.ascontiguousarray(fill(tokens, self.position), dtype)
            self._request.set_tensor(port, ov.Tensor(array))
        self._request.infer(share_outputs=True)
        self.position += tokens.shape[1]
        return float(self._request.latency) / 1e3

    @property
    def logits(self) -> NDArray[Any]:
        """Those of the last token read [batch, vocabulary], a copy."""
        return np.array(self._request.get_output_tensor(0).data[:, -1])

    def continued(self, prompt: Tokens, count: int, forced: Tokens | None = None) -> tuple[Tokens, NDArray[Any]]:
        """Return the likeliest `count` tokens [count] after `prompt` [1, …], each with its logits [count, …].

        After each it reads that token, or, where tokens are `forced`, the one of those.
        """
        self.forget()
        said, logits = np.zeros(count, np.int64), []
        tokens = prompt
        for index in range(count):
            self.read(tokens)
            logits.append(self.logits[0])
            said[index] = logits[-1].argmax()
            tokens = (said if forced is None else forced)[np.newaxis, index : index + 1]
        return said, np.array(logits)
