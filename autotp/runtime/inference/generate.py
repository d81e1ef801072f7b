"""Text generation with a language model: it reads a prompt at once (prefill), then token by token (decode)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import ceil, inf
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autotp.runtime.graph import paged_attention
from autotp.runtime.inference.layer_times import layer_seconds
from autotp.runtime.models.language import BEAMS, MASK, POSITIONS, TOKENS, Attention, logits_port

if TYPE_CHECKING:
    import openvino as ov

Tokens = NDArray[np.int64]


class Generator(ABC):
    """One infer request of a language model; `position` is the number of tokens read of each sequence."""

    def __init__(self, compiled_model: "ov.CompiledModel") -> None:
        self.position = 0
        self._request = compiled_model.create_infer_request()
        self._logits = logits_port(compiled_model)
        self._ports = {name: port for port in compiled_model.inputs for name in port.get_names()}

    @abstractmethod
    def _inputs(self, tokens: Tokens) -> Iterator[tuple[str, Any]]:
        """Yield the name and value of each input for `tokens` [batch, count]; the model may lack some of them."""

    def reset(self) -> None:
        """Clear the context."""
        self.position = 0

    def read(self, tokens: Tokens) -> float:
        """Read `tokens` [batch, count] after those read before; return the seconds that OpenVINO took."""
        import openvino as ov

        for name, values in self._inputs(tokens):
            if (port := self._ports.get(name)) is not None:
                array = np.array(values, port.element_type.to_dtype(), order="C")
                self._request.set_tensor(port, ov.Tensor(array))
        self._request.infer(share_outputs=True)
        self.position += tokens.shape[1]
        return float(self._request.latency) / 1e3

    @property
    def logits(self) -> NDArray[Any]:
        """The logits of the last token read [batch, vocabulary], a copy."""
        return np.array(self._request.get_tensor(self._logits).data[:, -1])

    @property
    def layer_s(self) -> dict[str, float]:
        """The seconds of each type of layer in the last inference of a model compiled with PERF_COUNT."""
        return layer_seconds(self._request)

    def continue_prompt(
        self, tokens: Tokens, prompt: int, forced: Tokens | None = None, fewest: int = 1, within_s: float = inf
    ) -> tuple[Tokens, NDArray[Any]]:
        """Generate the tokens after the first `prompt` tokens of the last sequence, always the most probable one.

        It reads each generated token before it generates the next; with `forced`, it reads the forced one instead.
        The other sequences read their own tokens meanwhile.

        Args:
            tokens: of each sequence [batch, prompt + count]; those after the last sequence's prompt are ignored.
            prompt: how many tokens of each sequence are the prompt.
            forced: the tokens to read instead of the generated ones [count].
            fewest: so many tokens are generated however long they take.
            within_s: it ends early once it has read further ones for so many seconds.

        Returns:
            The generated tokens [count or fewer] and their logits [as many, vocabulary].
        """
        self.reset()
        tokens = tokens.copy()
        chosen, logits = np.zeros(tokens.shape[1] - prompt, np.int64), []
        self.read(tokens[:, :prompt])
        took_s = 0.0
        for index in range(len(chosen)):
            if index:
                took_s += self.read(tokens[:, self.position : self.position + 1])
            logits.append(self.logits[-1])
            chosen[index] = logits[-1].argmax()
            tokens[-1, prompt + index] = (chosen if forced is None else forced)[index]
            if index + 1 >= fewest and took_s > within_s:
                break
        return chosen[: len(logits)], np.array(logits)


class Stateful(Generator):
    """Generates with a model that keeps its context as state (SDPA)."""

    def reset(self) -> None:
        """Clear the context."""
        super().reset()
        self._request.reset_state()

    def _inputs(self, tokens: Tokens) -> Iterator[tuple[str, Any]]:
        batch, count = tokens.shape
        yield TOKENS, tokens
        yield MASK, np.ones((batch, self.position + count))
        yield POSITIONS, np.tile(np.arange(self.position, self.position + count), (batch, 1))
        yield BEAMS, np.arange(batch)


class Paged(Generator):
    """Generates with paged attention; each sequence has its own cache blocks, enough for `longest` tokens."""

    def __init__(self, compiled_model: "ov.CompiledModel", batch: int, longest: int) -> None:
        import openvino as ov

        super().__init__(compiled_model)
        caches = {name: port for name, port in self._ports.items() if name.startswith(paged_attention.CACHES)}
        value = next(port for name, port in caches.items() if name.startswith(paged_attention.VALUES))
        self._block = value.partial_shape[2].get_length()
        self._blocks = ceil(longest / self._block)
        for port in caches.values():
            sizes = [length.get_length() for length in list(port.partial_shape)[1:]]
            shape = ov.Shape([batch * self._blocks, *sizes])
            self._request.set_tensor(port, ov.Tensor(port.element_type, shape))

    def _inputs(self, tokens: Tokens) -> Iterator[tuple[str, Any]]:
        batch, count = tokens.shape
        read = self.position + count
        used = ceil(read / self._block)
        sequences = np.arange(batch + 1)
        yield TOKENS, tokens.ravel()
        yield POSITIONS, np.tile(np.arange(self.position, read), batch)
        yield paged_attention.PAST, np.full(batch, self.position)
        yield paged_attention.BEGINS, sequences * count
        yield paged_attention.BLOCKS, (sequences[:-1, np.newaxis] * self._blocks + np.arange(used)).ravel()
        yield paged_attention.BLOCKS_BEGIN, sequences * used
        yield paged_attention.LONGEST, read
        yield paged_attention.SAMPLED, sequences[1:] * count - 1


def generator_of(compiled_model: "ov.CompiledModel", attention: Attention, batch: int, longest: int) -> Generator:
    """Return the generator for `compiled_model`.

    Args:
        compiled_model: a language model.
        attention: the kind of attention it was compiled with.
        batch: how many sequences are generated at once.
        longest: the most tokens that are read of a sequence.
    """
    return Paged(compiled_model, batch, longest) if attention is Attention.PA else Stateful(compiled_model)
