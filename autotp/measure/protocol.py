"""What parent and worker say to each other: typed JSON, one message a line, over two dedicated pipes."""

from enum import StrEnum

import msgspec

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
    WARM_UP = "warm-up"
    BLOCK = "block"
    PROOF = "proof"


class Loop(StrEnum):
    """How requests are issued: one after the other, or `nireq` kept in flight."""

    SYNC = "sync"
    ASYNC = "async"

    @classmethod
    def of(cls, nireq: int | None) -> "Loop":
        """Return the loop for `nireq` requests (None: OpenVINO's optimum); a single one is run synchronously."""
        return cls.SYNC if nireq == 1 else cls.ASYNC


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What the model is driven with: samples from `data` (.npz), or made from `seed`."""

    seed: int = 0
    data: str | None = None


class Outputs(msgspec.Struct, frozen=True):
    """Where the reference outputs lie, and whether this worker writes them or compares its own with them."""

    path: str
    save: bool = False


class Inspect(msgspec.Struct, frozen=True, tag=True):
    """Read and reshape the model, compile nothing."""

    files: ModelFiles
    shapes: dict[str, Shape]


class Start(msgspec.Struct, frozen=True, tag=True):
    """Compile, check the outputs where asked to, create the requests."""

    plan: Plan
    workload: Workload
    outputs: Outputs | None = None


class Run(msgspec.Struct, frozen=True, tag=True):
    """Drive the model for `duration_s` seconds."""

    duration_s: float


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Drive the model, one inference after the other, and watch the threads that do it; nothing is timed."""


class Inspected(msgspec.Struct, frozen=True, tag=True):
    """The answer to Inspect."""

    info: ModelInfo


class OutputError(msgspec.Struct, frozen=True, kw_only=True):
    """How far outputs are from the reference: the largest absolute error, and the reference's own size."""

    max_abs_error: float
    max_abs_reference: float
    finite: bool


class Started(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The answer to Start."""

    effective: Effective
    properties: dict[str, str]
    compile_s: float
    output_error: OutputError | None = None


class Block(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """One timed burst: `count` inferences in `elapsed_s`, each one's latency, and the peak memory so far."""

    count: int
    elapsed_s: float
    latencies_s: tuple[float, ...]
    memory_bytes: int


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


Request = Inspect | Start | Run | Watch
Reply = Inspected | Started | Block | Footprint | Failed

encode = msgspec.json.Encoder(enc_hook=str).encode
decode_request = msgspec.json.Decoder(Request, dec_hook=lambda type_, value: type_(value)).decode
decode_reply = msgspec.json.Decoder(Reply).decode


class ArmFailure(Exception):
    """An arm's worker failed; carries what the study records."""

    def __init__(self, status: Status, phase: Phase, message: str, log_tail: str = "") -> None:
        super().__init__(f"{status} in {phase}: {message}")
        self.status = status
        self.phase = phase
        self.message = message
        self.log_tail = log_tail
