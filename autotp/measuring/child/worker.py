"""The worker process of an arm: compiles one config and runs the blocks that the parent requests.

It is forked from a process that has imported OpenVINO and created nothing, and sets its CPU mask before OpenVINO's
first Core is created. Between requests it sleeps in a read.
"""

import os
import resource
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import BinaryIO

import msgspec

from autotp.errors import AutotpError
from autotp.files.text import writable_text
from autotp.measuring.child.cpu_weather import CpuWeather
from autotp.measuring.child.memory_read import read_seconds
from autotp.measuring.child.thread_activity import watch
from autotp.measuring.failure import Status
from autotp.measuring.outputs.error import OutputError, compare_outputs, unrepeated
from autotp.measuring.outputs.reference import Outputs, save_outputs
from autotp.measuring.protocol import (
    Choose,
    Chosen,
    Compile,
    Created,
    Failed,
    Inspect,
    Inspected,
    Profile,
    Profiled,
    Ready,
    Reply,
    Started,
    ThreadActivity,
    Watch,
    decode_request,
    encode,
)
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.workload import Driver, Run
from autotp.options import spelled_for
from autotp.runtime.compile import Compiled, compile_plan, inspect_model, reported_properties
from autotp.runtime.models.reason import reason

Asked = Run | Watch | Choose | Profile  # of a compiled model
Runner = Callable[[Asked], Block | ThreadActivity | Chosen | Profiled]

_MEMORY_SIGNS = ("bad_alloc", "Cannot allocate memory", "Failed to allocate")  # in OpenVINO's errors


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer each request line from `requests` with one reply line, until the parent closes the pipe.

    Compile alone is answered by two lines: its first inferences take long and may fail, too.
    """
    runner: Runner | None = None
    _send(Ready(), replies)
    for line in requests:
        reply: Reply
        try:
            match decode_request(line):
                case Inspect() as request:
                    with spelled_for(request.spelling):
                        reply = Inspected(inspect_model(request.files, request.shapes))
                case Compile() as request:
                    compiled = _compile(request)
                    _send(Created(), replies)
                    reply, runner = _start(request, *compiled)
                case (Run() | Watch() | Choose() | Profile()) as request:
                    assert runner is not None, "a block was requested before the model was compiled"
                    reply = runner(request)
        except Exception as error:
            reply = _failed(error)
        _send(reply, replies)


def _send(reply: Reply, replies: BinaryIO) -> None:
    replies.write(encode(reply) + b"\n")
    replies.flush()


def _failed(error: Exception) -> Failed:
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in _MEMORY_SIGNS):
        return Failed(Status.OUT_OF_MEMORY, writable_text(reason(error)))
    if isinstance(error, AutotpError):
        return Failed(Status.INVALID, writable_text(str(error)), input_error=error.exit_code == 2)
    kind = "" if isinstance(error, RuntimeError) else f"{type(error).__name__}: "  # OpenVINO raises RuntimeErrors
    return Failed(Status.CRASHED, writable_text(f"{kind}{reason(error)}"))


def _compile(request: Compile) -> tuple[Compiled, Driver, frozenset[int]]:
    process_cpus = frozenset(request.plan.mask or os.sched_getaffinity(0))
    compiled = compile_plan(request.plan)
    return compiled, request.workload.driver(compiled), process_cpus


def _start(
    request: Compile, compiled: Compiled, driver: Driver, process_cpus: frozenset[int]
) -> tuple[Started, Runner]:
    """Run the first inferences, which write or compare the outputs, and time the copies."""
    began = monotonic()
    output_error = _check(request.outputs, driver)
    started = Started(
        effective=compiled.effective,
        properties=reported_properties(compiled.compiled_model),
        compile_s=compiled.compile_s,
        copy_s=driver.copy_s,
        memory_bytes=peak_memory_bytes(),
        output_error=output_error,
        check_s=monotonic() - began,
    )
    return started, _runner(compiled, driver, process_cpus)


def _runner(compiled: Compiled, driver: Driver, process_cpus: frozenset[int]) -> Runner:
    threads = compiled.effective.threads or 0
    weather = CpuWeather(process_cpus)
    reset_peak_memory()

    def run(request: Asked) -> Block | ThreadActivity | Chosen | Profiled:
        if isinstance(request, Watch):
            driver.infer(0.0)  # the first inference creates threads
            return watch(driver.infer, process_cpus, threads)
        if isinstance(request, Choose):
            return Chosen(dict(driver.choose()))
        if isinstance(request, Profile):
            return Profiled(
                dict(driver.layer_s(request.samples)), read_seconds(request.memory_bytes, len(process_cpus))
            )
        return _block(driver, request, weather, compiled.compile_s)

    return run


def _block(driver: Driver, request: Run, weather: CpuWeather, compile_s: float) -> Block:
    before = weather.read()  # before the common start: with hundreds of CPUs it takes milliseconds
    if request.begin_s is not None:
        sleep(max(0.0, request.begin_s - monotonic()))
    began = monotonic()
    block = driver.block(request)
    return msgspec.structs.replace(
        block,
        memory_bytes=peak_memory_bytes(),
        compile_s=compile_s,
        untimed_s=monotonic() - began - block.elapsed_s,
        weather=weather.since(before),
    )


def _check(outputs: Outputs | None, driver: Driver) -> OutputError | None:
    if outputs is None:
        return None
    path = Path(outputs.path)
    if outputs.save:
        saved = driver.outputs(None)
        save_outputs(path, saved)
        save_outputs(path, saved, unrepeated(saved, driver.outputs(path)))
        return None
    return compare_outputs(path, driver.outputs(path), driver.deciding)


def reset_peak_memory() -> None:
    """Reset the kernel's peak of resident memory (VmHWM, proc(5)) to what is resident now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # not permitted in some containers: the peak then includes the compile


def peak_memory_bytes() -> int:
    """Return the peak of this process's resident memory (VmHWM) in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(request_end: int, reply_end: int) -> None:
    """Serve on two pipes, given as file descriptors."""
    with open(request_end, "rb") as requests, open(reply_end, "wb") as replies:
        serve(requests, replies)
