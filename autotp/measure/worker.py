"""The child side of an arm: a process that compiles one config and answers timed blocks.

It is forked from a process that has imported OpenVINO and created nothing, and sets its own CPU mask before
OpenVINO's first Core. Between requests it sleeps in a read.
"""

import os
import resource
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import BinaryIO

from autotp.errors import AutotpError
from autotp.measure.arrivals import Schedule, drive_open
from autotp.measure.footprint import watch
from autotp.measure.outputs import compare_outputs, save_outputs
from autotp.measure.protocol import (
    Block,
    Compile,
    Failed,
    Footprint,
    Inspect,
    Inspected,
    Loop,
    OutputError,
    Outputs,
    Ready,
    Reply,
    Run,
    Started,
    Status,
    Watch,
    Workload,
    decode_request,
    encode,
)
from autotp.measure.weather import Gauge
from autotp.measure.workload import Burst, drive
from autotp.runtime import (
    Compiled,
    Requests,
    compile_plan,
    copy_seconds,
    create_requests,
    infer_outputs,
    inspect_model,
    reported_properties,
    reset_states,
)
from autotp.runtime.inputs import Sample, make_samples

Runner = Callable[[Run | Watch], Block | Footprint]

_MEMORY_SIGNS = ("bad_alloc", "Cannot allocate memory")  # OpenVINO's, in errors of other kinds


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer each request line from `requests` by one reply line, until the parent closes the pipe."""
    runner: Runner | None = None
    replies.write(encode(Ready()) + b"\n")
    replies.flush()
    for line in requests:
        reply: Reply
        try:
            match decode_request(line):
                case Inspect() as request:
                    reply = Inspected(inspect_model(request.files, request.shapes))
                case Compile() as request:
                    reply, runner = _compile(request)
                case (Run() | Watch()) as request:
                    assert runner is not None, "a block was asked for before the start"
                    reply = runner(request)
        except Exception as error:
            reply = _failed(error)
        replies.write(encode(reply) + b"\n")
        replies.flush()


def _failed(error: Exception) -> Failed:
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in _MEMORY_SIGNS):
        return Failed(Status.OUT_OF_MEMORY, str(error) or "out of memory")
    if isinstance(error, AutotpError):
        return Failed(Status.INVALID, str(error), input_error=error.exit_code == 2)
    return Failed(Status.CRASHED, f"{type(error).__name__}: {error}")


def _compile(request: Compile) -> tuple[Started, Runner]:
    process_cpus = frozenset(request.plan.mask or os.sched_getaffinity(0))
    compiled = compile_plan(request.plan)
    workload = request.workload
    samples = make_samples(compiled.info, workload.seed, workload.data, compiled.nireq)
    output_error = _check(request.outputs, compiled, samples.checked)
    requests = create_requests(compiled, samples.driven)
    started = Started(
        effective=compiled.effective,
        properties=reported_properties(compiled.compiled_model),
        compile_s=compiled.compile_s,
        copy_s=copy_seconds(requests),
        memory_bytes=peak_memory_bytes(),
        output_error=output_error,
    )
    return started, _runner(compiled, requests, workload, process_cpus)


def _runner(compiled: Compiled, requests: Requests, workload: Workload, process_cpus: frozenset[int]) -> Runner:
    gauge = Gauge(process_cpus)
    reset_peak_memory()

    def run(request: Run | Watch) -> Block | Footprint:
        if isinstance(request, Watch):
            drive(requests, Loop.SYNC, 0.0)  # the first inference makes threads
            threads = compiled.effective.threads or 0
            return watch(lambda seconds: drive(requests, Loop.SYNC, seconds)[0], process_cpus, threads)
        return _block(requests, request, workload.rate_per_s, gauge)

    return run


def _block(requests: Requests, run: Run, rate_per_s: float | None, gauge: Gauge) -> Block:
    reset_states(requests)  # a state that grows makes each inference slower than the one before
    look = gauge.read()  # before the barrier: with hundreds of CPUs it takes milliseconds
    if run.begin_s is not None:
        sleep(max(0.0, run.begin_s - monotonic()))
    began = monotonic()
    count, elapsed_s, latencies_s = _burst(requests, run, rate_per_s)
    untimed_s = monotonic() - began - elapsed_s
    return Block(
        count=count,
        elapsed_s=elapsed_s,
        latencies_s=latencies_s,
        memory_bytes=peak_memory_bytes(),
        untimed_s=untimed_s,
        weather=gauge.since(look),
    )


def _burst(requests: Requests, run: Run, rate_per_s: float | None) -> Burst:
    if rate_per_s is None or run.flat_out:
        return drive(requests, Loop.of(len(requests.requests)), run.duration_s, run.lead_in_s)
    return drive_open(requests, Schedule.poisson(rate_per_s, run.duration_s, run.lead_in_s, run.seed))


def _check(outputs: Outputs | None, compiled: Compiled, checked: tuple[Sample, ...]) -> OutputError | None:
    if outputs is None:
        return None
    if outputs.save:
        save_outputs(Path(outputs.path), infer_outputs(compiled, checked))
        return None
    return compare_outputs(Path(outputs.path), infer_outputs(compiled, checked))


def reset_peak_memory() -> None:
    """Set the kernel's peak of resident memory (VmHWM, proc(5)) back to what is resident now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # not permitted in some containers: the peak then includes the compile


def peak_memory_bytes() -> int:
    """Return VmHWM of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(request_end: int, reply_end: int) -> None:
    """Serve on two pipes, given by their descriptors."""
    with open(request_end, "rb") as requests, open(reply_end, "wb") as replies:
        serve(requests, replies)
