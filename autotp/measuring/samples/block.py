"""A block's raw values: what was timed, and what disturbed it."""

import msgspec


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """What disturbed a block on the CPUs of its worker, in seconds of CPU time unless said otherwise.

    Attributes:
        watched_s: wall time over which it was watched.
        cpus: how many CPUs were watched.
        steal_s: CPU time that the host of a virtual machine took.
        others_s: CPU time that other processes used.
        throttled_s: wall time in which a CPU quota stopped the worker's group.
        switches: involuntary context switches of the worker's threads.
    """

    watched_s: float = 0.0
    cpus: int = 0
    steal_s: float = 0.0
    others_s: float = 0.0
    throttled_s: float = 0.0
    switches: int = 0


class Block(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One timed burst: `count` inferences in `elapsed_s`, the latency of each, and the peak memory so far.

    `compile_s` is how long the model took to compile, the same for all blocks of a process.

    For a language model, `count` is the number of tokens over all sequences, `first_tokens_s` how long each prompt
    took to its first token, and `second_tokens_s` how long each further token took; `elapsed_s` is the time of the
    further tokens, if there are any.

    `untimed_s` is the rest of the block's time: the lead-in and the drain of the queue. `dropped` is how many
    disturbed blocks were run before it and dropped.
    """

    count: int
    elapsed_s: float
    latencies_s: tuple[float, ...] = ()
    first_tokens_s: tuple[float, ...] = ()
    second_tokens_s: tuple[float, ...] = ()
    memory_bytes: int = 0
    compile_s: float = 0.0
    untimed_s: float = 0.0
    weather: Weather = Weather()
    dropped: int = 0
