"""The raw sample: one timed block, and what disturbed it."""

import msgspec


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """What disturbed a block on the CPUs of its worker, in seconds of CPU time unless said otherwise.

    Attributes:
        watched_s: wall time over which it was watched.
        cpus: how many CPUs were watched.
        steal_s: what the host of a virtual machine took.
        others_s: what other processes used.
        throttled_s: wall time in which a CPU quota held the worker's group back.
        switches: involuntary context switches of the worker's threads.
    """

    watched_s: float = 0.0
    cpus: int = 0
    steal_s: float = 0.0
    others_s: float = 0.0
    throttled_s: float = 0.0
    switches: int = 0


class Block(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One timed burst: `count` inferences in `elapsed_s`, each one's latency, and the peak memory so far.

    Of a language model it's `count` tokens of all sequences, how long each prompt took to its first token, and how
    long each further one; `elapsed_s` is that of the latter, where there are any.

    `untimed_s` is what it took besides: the lead-in, and the drain of the queue; `dropped` how many disturbed
    blocks were run in its place before.
    """

    count: int
    elapsed_s: float
    latencies_s: tuple[float, ...] = ()
    first_tokens_s: tuple[float, ...] = ()
    second_tokens_s: tuple[float, ...] = ()
    memory_bytes: int = 0
    untimed_s: float = 0.0
    weather: Weather = Weather()
    dropped: int = 0
