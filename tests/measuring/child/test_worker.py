"""The worker's side of the protocol, served in this process."""

import io
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import psutil
import pytest

from autotp.measuring.child.worker import peak_memory_bytes, reset_peak_memory, serve
from autotp.measuring.failure import Status
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.outputs.reference import Outputs
from autotp.measuring.protocol import (
    Choose,
    Chosen,
    Compile,
    Created,
    Failed,
    Inspect,
    Inspected,
    Ready,
    Reply,
    Request,
    Started,
    ThreadActivity,
    Watch,
    decode_reply,
    encode,
)
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.open_loop import OpenLoop
from autotp.measuring.workload.workload import Run
from autotp.options import Spelling
from autotp.runtime.compile import Plan
from autotp.runtime.inference.inputs import MOST_CHECKED_SAMPLES
from autotp.runtime.models.model_files import locate
from autotp.runtime.models.read import ModelInfo, Port, Shape
from autotp.space.knobs.graph_split import FullyConnected
from tests.support.language_models import language_model
from tests.support.models import WIDTH, dynamic_model, matmul_model, sized_model

F32 = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1"}
MEGABYTE = 1 << 20


def plan(path: Path, **shapes: Shape) -> Plan:
    """A plan in f32 without a mask, which would bind the tests' own process."""
    return Plan(files=locate(path), shapes=shapes, properties=F32, nireq=2)


def answers(requests: Iterable[Request | bytes]) -> list[Reply]:
    """The last reply to each request, all served in turn."""
    return [reply for reply in all_answers(requests) if not isinstance(reply, Created)]


def all_answers(requests: Iterable[Request | bytes]) -> list[Reply]:
    """Every reply; that the worker is there comes before the first."""
    lines = [request if isinstance(request, bytes) else encode(request) for request in requests]
    replies = io.BytesIO()
    serve(io.BytesIO(b"".join(line + b"\n" for line in lines)), replies)
    ready, *rest = [decode_reply(line) for line in replies.getvalue().splitlines()]
    assert ready == Ready()
    return rest


def test_first_inferences_are_answered_apart_from_the_compile(tmp_path: Path) -> None:
    """So that whoever waits knows in which of the two a model fails, even where the worker dies."""
    for path, expected in (
        (matmul_model(tmp_path), [Created, Started]),
        (sized_model(tmp_path), [Created, Failed]),
    ):
        assert [type(reply) for reply in all_answers([Compile(plan(path), ClosedLoop())])] == expected


def test_each_request_has_its_reply(tmp_path: Path) -> None:
    """Inspect, start and two blocks are answered in order."""
    path = matmul_model(tmp_path)
    inspected, started, first, second = answers(
        [Inspect(locate(path), {}), Compile(plan(path), ClosedLoop()), Run(duration_s=0.0), Run(duration_s=0.005)]
    )
    port = ("f32", (1, WIDTH))
    layer = FullyConnected(WIDTH * WIDTH, WIDTH)
    assert inspected == Inspected(ModelInfo((Port("x", *port),), (Port("y", *port),), (layer,)))
    assert isinstance(started, Started)
    assert (started.effective.streams, started.effective.requests) == (1, 2)
    assert started.properties["INFERENCE_PRECISION_HINT"] == "f32"
    assert started.output_error is None
    assert isinstance(first, Block)
    assert first.count == len(first.latencies_s) == 2
    assert isinstance(second, Block)
    assert second.elapsed_s > 0.0049


@pytest.mark.parametrize(
    ("spelling", "option"), [(Spelling.PYTHON, "shapes="), (Spelling.COMMAND_LINE, "--shape ")]
)
def test_a_model_is_refused_in_the_callers_words(tmp_path: Path, spelling: Spelling, option: str) -> None:
    """The option that would mend it is spelled as the request says."""
    (reply,) = answers([Inspect(locate(dynamic_model(tmp_path)), {}, spelling)])
    assert isinstance(reply, Failed)
    assert option in reply.message


def test_a_language_model_chooses_its_prompts(tmp_path: Path) -> None:
    """What the workload leaves open is answered by the field's name."""
    files = locate(language_model(tmp_path, context=140))
    compile_ = Compile(Plan(files=files, shapes={}, properties=F32, nireq=1), Generation(new_tokens=4))
    started, chosen = answers([compile_, Choose()])
    assert isinstance(started, Started)
    assert started.copy_s is None
    assert chosen == Chosen({"prompt_tokens": 128})


def test_threads_are_watched_on_request(tmp_path: Path) -> None:
    """The calling thread runs one inference after the other itself and doesn't sleep; blocks go on after."""
    started, seen, block = answers(
        [Compile(plan(matmul_model(tmp_path)), ClosedLoop()), Watch(), Run(duration_s=0.0)]
    )
    assert isinstance(started, Started)
    assert isinstance(seen, ThreadActivity)
    assert seen.caller_sleeps < 0.5
    assert seen.busy_threads >= 1
    assert isinstance(block, Block)


def test_what_the_user_can_mend_is_marked(tmp_path: Path) -> None:
    """A model that stays dynamic and a data file that isn't there are INVALID input; the worker serves on."""
    path = dynamic_model(tmp_path)
    dynamic, no_data, started = answers(
        [
            Compile(plan(path), ClosedLoop()),
            Compile(plan(path, x=(1, WIDTH)), ClosedLoop(data=tmp_path / "missing.npz")),
            Compile(plan(path, x=(1, WIDTH)), ClosedLoop()),
        ]
    )
    for reply, text in ((dynamic, "shapes="), (no_data, "missing.npz")):
        assert isinstance(reply, Failed)
        assert (reply.status, reply.input_error) == (Status.INVALID, True)
        assert text in reply.message
    assert isinstance(started, Started)


def test_nonsense_and_blocks_before_a_start_are_failures() -> None:
    """A line that isn't a request, or comes too early, is answered by a failure and not by the worker's end."""
    replies = answers([b"nonsense", b'{"type": "Dance"}', Run(duration_s=0.1), b""])
    assert [reply.status for reply in replies if isinstance(reply, Failed)] == [Status.CRASHED] * 4


def test_a_model_larger_than_memory_is_out_of_memory(tmp_path: Path) -> None:
    """A shape that no address space holds is OUT_OF_MEMORY, not a fault of the config."""
    (reply,) = answers([Compile(plan(dynamic_model(tmp_path), x=(1 << 50, WIDTH)), ClosedLoop())])
    assert isinstance(reply, Failed)
    assert reply.status is Status.OUT_OF_MEMORY


def test_a_rate_is_kept_and_a_warm_up_does_not_wait_for_it(tmp_path: Path) -> None:
    """At ten a second a window of 0.3 s holds a few inferences, flat out more in a tenth of it."""
    start = Compile(plan(matmul_model(tmp_path)), OpenLoop(rate_per_s=10.0))
    _, arrived, again, flat_out = answers(
        [start, *[Run(duration_s=0.3, seed=1)] * 2, Run(duration_s=0.03, seed=1, flat_out=True)]
    )
    assert isinstance(arrived, Block)
    assert isinstance(again, Block)
    assert isinstance(flat_out, Block)
    assert 1 <= arrived.count == again.count == len(arrived.latencies_s) <= 15
    assert arrived.elapsed_s >= 0.3
    assert flat_out.count > arrived.count


def test_a_block_waits_until_it_is_to_begin(tmp_path: Path) -> None:
    """Workers that are given the same time begin together; the wait is in no figure. A time that's past is now."""
    begin_s = monotonic() + 1.5
    start = Compile(plan(matmul_model(tmp_path)), ClosedLoop())
    _, block, late = answers([start, Run(duration_s=0.01, begin_s=begin_s), Run(duration_s=0.01, begin_s=1.0)])
    assert monotonic() >= begin_s + 0.02
    assert isinstance(block, Block)
    assert isinstance(late, Block)
    assert block.elapsed_s + block.untimed_s < 1.0


def test_copies_are_timed_after_the_compile(tmp_path: Path) -> None:
    """How long one request's copies take stands in the answer to the start."""
    (started,) = answers([Compile(plan(matmul_model(tmp_path)), ClosedLoop())])
    assert isinstance(started, Started)
    assert started.copy_s is not None
    assert started.copy_s > 0


def reference_outputs(folder: Path, samples: int) -> dict[str, Any]:
    """The reference that a worker saves of a file of so many samples of zeros."""
    path, data, reference = matmul_model(folder), folder / "data.npz", folder / "reference.npz"
    with data.open("wb") as file:
        np.savez(file, x=np.zeros((samples, 1, WIDTH), np.float32))
    answers([Compile(plan(path), ClosedLoop(data=data), Outputs(str(reference), save=True))])
    with np.load(reference) as outputs:
        return dict(outputs)


def test_data_files_are_what_is_driven(tmp_path: Path) -> None:
    """The reference's outputs are those of the file's samples."""
    outputs = reference_outputs(tmp_path, samples=3)
    assert list(outputs) == ["0/y", "1/y", "2/y"]
    assert not any(array.any() for array in outputs.values())


def test_of_a_large_data_file_few_outputs_are_kept(tmp_path: Path) -> None:
    """However many samples the file has, a start waits for sixteen."""
    assert len(reference_outputs(tmp_path, samples=2000)) == MOST_CHECKED_SAMPLES


def test_outputs_are_compared_with_the_reference(tmp_path: Path) -> None:
    """The same model has no error, one with other weights a large one."""
    reference = Outputs(str(tmp_path / "reference.npz"))
    path, other = matmul_model(tmp_path), matmul_model(tmp_path, "other", seed=1)
    saved, same, different = answers(
        [
            Compile(plan(path), ClosedLoop(), Outputs(reference.path, save=True)),
            Compile(plan(path), ClosedLoop(), reference),
            Compile(plan(other), ClosedLoop(), reference),
        ]
    )
    assert isinstance(saved, Started)
    assert saved.output_error is None
    assert error_of(same).max_abs_error == 0.0
    assert error_of(different).max_abs_error > 0.1
    assert error_of(different).max_abs_reference == error_of(same).max_abs_reference > 0.1


def error_of(reply: Reply) -> OutputError:
    """The output error in the reply to a start."""
    assert isinstance(reply, Started)
    assert reply.output_error is not None
    return reply.output_error


def test_peak_memory_is_the_kernels_after_a_reset() -> None:
    """The peak rises with what is touched, stays when it's freed, and a reset brings it back down."""
    reset_peak_memory()
    before = peak_memory_bytes()
    assert before >= psutil.Process().memory_info().rss * 0.9
    np.ones(64 * MEGABYTE, np.uint8)
    assert peak_memory_bytes() >= before + 60 * MEGABYTE
    reset_or_skip(before + 60 * MEGABYTE)
    assert peak_memory_bytes() < before + 30 * MEGABYTE


def reset_or_skip(peak_bytes: int) -> None:
    """Reset the peak, which is at least `peak_bytes`; skip where the kernel doesn't let us."""
    reset_peak_memory()
    if peak_memory_bytes() >= peak_bytes:
        pytest.skip("this container may not reset the peak")


def test_memory_of_blocks_leaves_out_what_came_before(tmp_path: Path) -> None:
    """What the process needed to start and compile, and gave back, isn't counted."""
    start = Compile(plan(matmul_model(tmp_path)), ClosedLoop())
    answers([start])
    before = peak_memory_bytes()
    np.ones(256 * MEGABYTE, np.uint8)
    reset_or_skip(before + 200 * MEGABYTE)
    np.ones(256 * MEGABYTE, np.uint8)
    _, block = answers([start, Run(duration_s=0.0)])
    assert isinstance(block, Block)
    assert MEGABYTE < block.memory_bytes < before + 150 * MEGABYTE
