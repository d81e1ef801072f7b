"""What bounds the gain of a model on a machine, as tuned.yaml stores it."""

import msgspec


class Ceiling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How many times as fast as the best baseline anything can be at most, by its profile.

    Attributes:
        fully_connected: the share of an inference's time that its fully connected layers take.
        sockets: of the CPUs that may be used.
        tensor_parallel: the bound for splitting these layers over sockets (Amdahl's law); None with one socket.
        reading_weights: the bound for streams, requests, and whatever else reads all weights of these layers for
            each inference, by how fast the CPUs read as much memory; None where that bounds nothing.
    """

    fully_connected: float
    sockets: int = 1
    tensor_parallel: float | None = None
    reading_weights: float | None = None
