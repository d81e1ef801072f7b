"""What parent and worker say to each other: typed JSON, one message a line, over two dedicated pipes."""

from enum import StrEnum

import msgspec

from autotp.errors import AutotpError, EnvironmentFailure, InputError
from autotp.measure.workload.workload import Generate, Workload
from autotp.runtime import ModelFiles, ModelInfo, Plan, Shape
from autotp.space import Effective


class Status(StrEnum):
    """How an arm ended; a failure is data, never a sentinel score."""

    OK = "OK"
    INVALID = "INVALID"
    CRASHED = "CRASHED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    WRONG_OUTPUT = "WRONG_OUTPUT"


class Phase(StrEnum):
    """What a worker was doing; each phase has its own watchdog."""

    INSPECT = "inspect"
    START = "start"
    COMPILE = "compile"
    WARM_UP = "warm-up"
    BLOCK = "block"
    PROOF = "proof"


class Outputs(msgspec.Struct, frozen=True):
    """Where the reference outputs lie, and whether this worker writes them or compares its own with them."""

    path: str
    save: bool = False


class Inspect(msgspec.Struct, frozen=True, tag=True):
    """Read and reshape the model, compile nothing."""

    files: ModelFiles
    shapes: dict[str, Shape]


class Compile(msgspec.Struct, frozen=True, tag=True):
    """Compile, check the outputs where asked to, create the requests."""

    plan: Plan
    workload: Workload
    outputs: Outputs | None = None


class Run(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Drive the model untimed for `lead_in_s` seconds or a turn of all requests, then timed for `duration_s`.

    `begin_s` is when to begin on the monotonic clock, which all processes share (None: at once); `seed` that of
    the arrivals, which `flat_out` doesn't wait for.
    """

    duration_s: float
    lead_in_s: float = 0.0
    begin_s: float | None = None
    seed: int = 0
    flat_out: bool = False


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Drive the model, one inference after the other, and watch the threads that do it; nothing is timed."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """What a worker says first, unasked: it is there and waits for requests."""


class Inspected(msgspec.Struct, frozen=True, tag=True):
    """The answer to Inspect."""

    info: ModelInfo


class OutputError(msgspec.Struct, frozen=True, kw_only=True):
    """How far outputs are from the reference.

    Attributes:
        max_abs_error: the largest absolute error of any output, of a language model that of its logits.
        max_abs_reference: the largest absolute value of the reference, likewise.
        finite: whether there are numbers wherever the reference has them, and its NaN and Inf where it has those.
        relative_errors: by output of floats, the largest absolute error divided by that output's own size.
        differing: by output of whole numbers or truth values, the share that isn't the reference's.
        derived: the same by output that another one decides, as a language model's logits do what it says.
        mismatch: what else is wrong: an output that isn't there, of another shape, or that can't be judged.
    """

    max_abs_error: float
    max_abs_reference: float
    finite: bool
    relative_errors: dict[str, float] = {}
    differing: dict[str, float] = {}
    derived: dict[str, float] = {}
    mismatch: str | None = None


class Started(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The answer to Compile.

    `copy_s` is how long it takes to copy one request's inputs in and its outputs out, which no block does (None of
    a language model, whose tokens and logits hardly count); `memory_bytes` the peak of resident memory so far.
    """

    effective: Effective
    properties: dict[str, str]
    compile_s: float
    copy_s: float | None
    memory_bytes: int
    output_error: OutputError | None = None


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


class Footprint(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What the threads of a process did while a model ran.

    Attributes:
        tasks: threads of the process.
        busy_threads: those that had a CPU for at least 1 % of the time.
        caller_sleeps: how often the calling thread went to sleep, per inference.
        bound_cpus: CPUs that threads were bound to, beyond the mask of the process.
        cpu_s: CPU time of all threads but the calling one by the CPU they were last on; empty where `/proc`
            doesn't tell of the CPUs that the mask means.
    """

    tasks: int
    busy_threads: int
    caller_sleeps: float
    bound_cpus: tuple[int, ...]
    cpu_s: dict[int, float]


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The worker couldn't do what it was asked to; `input_error` marks what the person can mend."""

    status: Status
    message: str
    input_error: bool = False


Request = Inspect | Compile | Run | Generate | Watch
Reply = Ready | Inspected | Started | Block | Footprint | Failed

encode = msgspec.json.Encoder(enc_hook=str).encode
decode_request = msgspec.json.Decoder(Request, dec_hook=lambda type_, value: type_(value)).decode
decode_reply = msgspec.json.Decoder(Reply).decode


class ArmFailure(Exception):
    """An arm's worker failed; carries what the study records."""

    def __init__(self, status: Status, phase: Phase, message: str, log_tail: str = "") -> None:
        super().__init__(f"{status} in {phase}: {message.rstrip('.')}")
        self.status = status
        self.phase = phase
        self.message = message
        self.log_tail = log_tail

    def told(self, sentence: str, kind: type[AutotpError] = InputError) -> AutotpError:
        """Return the error of `kind` that says `sentence` and why, or where no worker could start, just that."""
        if self.phase is Phase.START:
            return EnvironmentFailure(f"No worker can be started: {self}.")
        return kind(f"{sentence}: {self}.")
