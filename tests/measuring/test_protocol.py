"""What parent and worker say to each other survives the wire."""

from pathlib import Path

import pytest

from autotp.findings.metric import Samples
from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.outputs.reference import Outputs
from autotp.measuring.protocol import (
    Choose,
    Chosen,
    Compile,
    Failed,
    Inspect,
    Inspected,
    Profile,
    Profiled,
    Ready,
    Reply,
    Request,
    Started,
    ThreadActivity,
    Watch,
    decode_reply,
    decode_request,
    encode,
)
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.open_loop import OpenLoop
from autotp.measuring.workload.workload import Run
from autotp.options import Spelling
from autotp.runtime.compile import Plan
from autotp.runtime.models.language import Language
from autotp.runtime.models.model_files import ModelFiles, ModelKind
from autotp.runtime.models.read import ModelInfo, Port
from autotp.space.aliases.effective import Effective

RAW = Path("b\udce4d/ÿ.xml")  # a name whose bytes aren't UTF-8
FILES = ModelFiles(Path("/m/a model.xml"), ModelKind.IR, Path("/m/a model.bin"))
PLAN = Plan(files=FILES, shapes={"x": (1, 3)}, properties={"NUM_STREAMS": "2"}, mask=(0, 1), nireq=4)
PORT = Port("x", "f32", (1, 3))


@pytest.mark.parametrize(
    "request_",
    [
        Inspect(FILES, {"x": (1, 3)}),
        Inspect(ModelFiles(RAW, ModelKind.IR, RAW), {}),
        Compile(PLAN, ClosedLoop(data=RAW)),
        Inspect(ModelFiles(Path("m.onnx"), ModelKind.ONNX), {}, Spelling.COMMAND_LINE),
        Compile(PLAN, OpenLoop(seed=3, data=Path("d.npz"), rate_per_s=0.1), Outputs("r.npz", save=True)),
        Compile(PLAN, ClosedLoop(seed=3, data=Path("d.npz"))),
        Compile(Plan(files=FILES, shapes={}, properties={}), ClosedLoop()),
        Run(duration_s=0.05),
        Run(duration_s=1 / 3, lead_in_s=0.1, begin_s=1e5 / 3, seed=1 << 31, flat_out=True),
        Run(number=7, amount=1 << 62, offset=0.5),
        Compile(PLAN, Generation(prompt_tokens=8, batch=2, timed=(Samples.FIRST_TOKENS,))),
        Choose(),
        Watch(),
        Profile(Samples.LATENCIES, 1 << 40),
    ],
)
def test_requests_survive_the_wire_on_one_line(request_: Request) -> None:
    """A request decodes to its equal, and its text holds no line break, which ends a message."""
    data = encode(request_)
    assert b"\n" not in data
    assert decode_request(data) == request_


@pytest.mark.parametrize(
    "reply",
    [
        Ready(),
        Inspected(ModelInfo((PORT,), ())),
        Profiled({"FullyConnected": 1e-6}),
        Profiled({}, read_s=1 / 3),
        Inspected(ModelInfo((), (), language=Language(49152))),
        Started(
            effective=Effective(streams=2, precision="f32"),
            properties={"A": "B"},
            compile_s=0.1,
            copy_s=1e-6,
            memory_bytes=1 << 40,
        ),
        Started(
            effective=Effective(),
            properties={},
            compile_s=0.1,
            copy_s=0.0,
            memory_bytes=1,
            output_error=OutputError(max_abs_error=1e-7, max_abs_reference=2.5, finite=True),
        ),
        Block(count=2, elapsed_s=0.1, latencies_s=(0.1, 1 / 3), memory_bytes=1 << 40, untimed_s=0.2),
        ThreadActivity(tasks=9, busy_threads=2, caller_sleeps=1.5, bound_cpus=(0, 4), cpu_s={0: 0.1, 4: 1 / 3}),
        Chosen({"prompt_tokens": 512}),
        Failed(Status.CRASHED, "two\nlines \N{SNOWMAN}", input_error=True),
    ],
)
def test_replies_survive_the_wire_on_one_line(reply: Reply) -> None:
    """A reply decodes to its equal, floats to the last bit, and its text holds no line break."""
    data = encode(reply)
    assert b"\n" not in data
    assert decode_reply(data) == reply


def test_a_failure_says_how_and_when() -> None:
    """The text of an arm's failure holds status, phase and message."""
    failure = ArmFailure(Status.TIMED_OUT, Phase.WARM_UP, "no answer in time", "tail")
    assert str(failure) == "TIMED_OUT in warm-up: no answer in time"
    assert failure.log_tail == "tail"
