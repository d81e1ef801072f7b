"""One generation of a language model: a prompt is read at once (prefill), then token after token (decode)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autotp.runtime.language import BEAMS, MASK, POSITIONS, TOKENS, logits_port

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
        self._logits = logits_port(compiled_model)
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
        return np.array(self._request.get_tensor(self._logits).data[:, -1])

    def continued(self, tokens: Tokens, prompt: int, forced: Tokens | None = None) -> tuple[Tokens, NDArray[Any]]:
        """Return what follows the first `prompt` tokens of the last sequence: the likeliest, one after the other.

        After each it reads that one, or, where tokens are `forced`, that of those; the other sequences read their
        own meanwhile.

        Args:
            tokens: of each sequence [batch, prompt + count]; the last one's beyond the prompt don't matter.
            prompt: how many are read at once.
            forced: [count].

        Returns:
            The likeliest tokens [count] and the logits [count, vocabulary] of each.
        """
        self.forget()
        tokens = tokens.copy()
        said, logits = np.zeros(tokens.shape[1] - prompt, np.int64), []
        self.read(tokens[:, :prompt])
        for index in range(len(said)):
            if index:
                self.read(tokens[:, self.position : self.position + 1])
            logits.append(self.logits[-1])
            said[index] = logits[-1].argmax()
            tokens[-1, prompt + index] = (said if forced is None else forced)[index]
        return said, np.array(logits)
