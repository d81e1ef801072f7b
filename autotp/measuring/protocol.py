"""The messages between the parent and a worker: typed JSON, one message a line, over two pipes."""

import os
from pathlib import Path

import msgspec

from autotp.findings.metric import Samples
from autotp.measuring.failure import Status
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.outputs.reference import Outputs
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.registry import AnyWorkload
from autotp.measuring.workload.workload import Run
from autotp.options import Spelling
from autotp.runtime.compile import Plan
from autotp.runtime.models.model_files import ModelFiles
from autotp.runtime.models.read import ModelInfo, Shape
from autotp.space.aliases.effective import Effective


class Inspect(msgspec.Struct, frozen=True, tag=True):
    """Read and reshape the model, compile nothing. Errors name options as `spelling` has them."""

    files: ModelFiles
    shapes: dict[str, Shape]
    spelling: Spelling = Spelling.PYTHON


class Compile(msgspec.Struct, frozen=True, tag=True):
    """Compile the model and create the requests; write or compare the outputs as `outputs` says, if at all."""

    plan: Plan
    workload: AnyWorkload
    outputs: Outputs | None = None


class Choose(msgspec.Struct, frozen=True, tag=True):
    """Choose values for the workload's open fields, by running the model."""


class Watch(msgspec.Struct, frozen=True, tag=True):
    """Run one inference after the other and watch the threads; nothing is timed."""


class Profile(msgspec.Struct, frozen=True, tag=True):
    """Run a few inferences of a model that was compiled with PERF_COUNT, and read `memory_bytes` of memory.

    `samples` is the kind of inference, where a model has several.
    """

    samples: Samples
    memory_bytes: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """A worker's first message, without a request: it is ready for requests."""


class Inspected(msgspec.Struct, frozen=True, tag=True):
    """The answer to Inspect."""

    info: ModelInfo


class Created(msgspec.Struct, frozen=True, tag=True):
    """The first answer to Compile: the model is compiled and its requests are created, none has run."""


class Started(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The second answer to Compile, after the first inferences.

    `copy_s` is how long copying one request's inputs in and its outputs out takes, which blocks don't do (None for
    a language model, whose tokens and logits are small); `memory_bytes` is the peak of resident memory so far.
    """

    effective: Effective
    properties: dict[str, str]
    compile_s: float
    copy_s: float | None
    memory_bytes: int
    output_error: OutputError | None = None
    check_s: float = 0.0


class Chosen(msgspec.Struct, frozen=True, tag=True):
    """The answer to Choose: values by name of the workload's field."""

    values: dict[str, bool | int | float | str]


class ThreadActivity(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What the threads of a process did while a model ran.

    Attributes:
        tasks: threads of the process.
        busy_threads: those that had a CPU for at least 1 % of the time.
        caller_sleeps: how often the calling thread went to sleep, per inference.
        bound_cpus: CPUs that threads were bound to, beyond the mask of the process.
        cpu_s: CPU time of all threads but the calling one, by the CPU they were last on; empty where `/proc` shows
            other CPUs than the mask.
    """

    tasks: int
    busy_threads: int
    caller_sleeps: float
    bound_cpus: tuple[int, ...]
    cpu_s: dict[int, float]


class Profiled(msgspec.Struct, frozen=True, tag=True):
    """What an inference spends its time on.

    Attributes:
        layer_s: seconds of one inference, by OpenVINO's name for the type of a layer.
        read_s: how long all CPUs together take to read the memory once; None if it is too little to tell.
    """

    layer_s: dict[str, float]
    read_s: float | None = None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The worker couldn't do what was requested; `input_error` marks errors in what the user gave."""

    status: Status
    message: str
    input_error: bool = False


Request = Inspect | Compile | Choose | Run | Watch | Profile
Reply = Ready | Inspected | Created | Started | Chosen | Block | ThreadActivity | Profiled | Failed


def _to_json(path: Path) -> str:
    """Return the bytes of `path` as letters of Latin-1: unlike JSON's text, a file's name needn't be UTF-8."""
    return os.fsencode(path).decode("latin-1")


def _from_json(_type: type, letters: str) -> Path:
    return Path(os.fsdecode(letters.encode("latin-1")))


encode = msgspec.json.Encoder(enc_hook=_to_json).encode
decode_request = msgspec.json.Decoder(Request, dec_hook=_from_json).decode
decode_reply = msgspec.json.Decoder(Reply).decode
