"""One generation of a language model: a prompt is read at once (prefill), then token after token (decode)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autotp.runtime.graph import paged
from autotp.runtime.models.language import BEAMS, MASK, POSITIONS, TOKENS, Attention, logits_port

if TYPE_CHECKING:
    import openvino as ov

Tokens = NDArray[np.int64]


class Generator(ABC):
    """One request of a compiled language model; `position` is how many tokens of each sequence it has read."""

    def __init__(self, compiled_model: "ov.CompiledModel") -> None:
        self.position = 0
        self._request = compiled_model.create_infer_request()
        self._logits = logits_port(compiled_model)
        self._ports = {name: port for port in compiled_model.inputs for name in port.get_names()}

    @abstractmethod
    def _given(self, tokens: Tokens) -> Iterator[tuple[str, Any]]:
        """Yield what goes in with `tokens` [batch, count], by the name of the input; unknown ones are left out."""

    def forget(self) -> None:
        """Begin anew, with no context."""
        self.position = 0

    def read(self, tokens: Tokens) -> float:
        """Read `tokens` [batch, count] on top of what was read before; return the seconds that OpenVINO took."""
        import openvino as ov

        for name, values in self._given(tokens):
            if (port := self._ports.get(name)) is not None:
                array = np.array(values, port.element_type.to_dtype(), order="C")
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


class Stateful(Generator):
    """A model that keeps its context as state."""

    def forget(self) -> None:
        """Begin anew, with no context."""
        super().forget()
        self._request.reset_state()

    def _given(self, tokens: Tokens) -> Iterator[tuple[str, Any]]:
        batch, count = tokens.shape
        yield TOKENS, tokens
        yield MASK, np.ones((batch, self.position + count))
        yield POSITIONS, np.tile(np.arange(self.position, self.position + count), (batch, 1))
        yield BEAMS, np.arange(batch)


class Paged(Generator):
    """A model whose context lies in blocks; each sequence has as many of its own as `longest` tokens take."""

    def __init__(self, compiled_model: "ov.CompiledModel", batch: int, longest: int) -> None:
        import openvino as ov

        super().__init__(compiled_model)
        caches = {name: port for name, port in self._ports.items() if name.startswith(paged.CACHES)}
        value = next(port for name, port in caches.items() if name.startswith(paged.VALUES))
        self._block = value.partial_shape[2].get_length()
        self._blocks = ceil(longest / self._block)
        for port in caches.values():
            sizes = [length.get_length() for length in list(port.partial_shape)[1:]]
            shape = ov.Shape([batch * self._blocks, *sizes])
            self._request.set_tensor(port, ov.Tensor(port.element_type, shape))

    def _given(self, tokens: Tokens) -> Iterator[tuple[str, Any]]:
        batch, count = tokens.shape
        read = self.position + count
        used = ceil(read / self._block)
        sequences = np.arange(batch + 1)
        yield TOKENS, tokens.ravel()
        yield POSITIONS, np.tile(np.arange(self.position, read), batch)
        yield paged.PAST, np.full(batch, self.position)
        yield paged.BEGINS, sequences * count
        yield paged.BLOCKS, (sequences[:-1, np.newaxis] * self._blocks + np.arange(used)).ravel()
        yield paged.BLOCKS_BEGIN, sequences * used
        yield paged.LONGEST, read
        yield paged.SAMPLED, sequences[1:] * count - 1


def generator_of(compiled_model: "ov.CompiledModel", attention: Attention, batch: int, longest: int) -> Generator:
    """Return what generates with `compiled_model`, whose attention is of that kind.

    Args:
        compiled_model: of a language model.
        attention: that it was compiled with.
        batch: how many sequences there are at once.
        longest: how many tokens of each are read at most.
    """
    return Paged(compiled_model, batch, longest) if attention is Attention.PA else Stateful(compiled_model)
