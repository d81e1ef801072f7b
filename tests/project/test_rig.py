"""What the real OpenVINO, Python and the shim do on pretended machines."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import rig
from tests.support.trees import Described

TWO_SOCKETS = Described(sockets=2)
FOUR_BY_FOUR = Described(sockets=4, cores_per_node=4)

MODEL = """
import hashlib, json, os, sys, time
import numpy as np, openvino as ov
from openvino import opset13 as op

def model():
    x = op.parameter([1, 512], np.float32, name="x")
    random, y = np.random.default_rng(0), x
    for _ in range(2):
        weights = random.standard_normal((512, 512), dtype=np.float32) / 512**0.5
        y = op.relu(op.matmul(y, op.constant(weights), False, True))
    return ov.Model([y], [x])

ROW = np.linspace(-1, 1, 512, dtype=np.float32)[None]

def compiled(config):
    return ov.Core().compile_model(model(), "CPU", {"INFERENCE_PRECISION_HINT": "f32", **config})

def threads(config):
    return compiled(config).get_property("INFERENCE_NUM_THREADS")
"""
LATENCY = {"PERFORMANCE_HINT": "LATENCY"}
SPLIT = {"MODEL_DISTRIBUTION_POLICY": "TENSOR_PARALLEL", "NUM_STREAMS": "1"}


def python(described: Described, program: str, tmp: Path, *, shim: bool, given: object = None) -> Any:
    """The JSON that a Python program prints last, run on a pretended machine with `given` as its argument."""
    argv = (sys.executable, "-c", program, json.dumps(given))
    done = rig.run(described, argv, shim=shim, tmp=tmp, timeout_s=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


THREADS_AND_OUTPUTS = (
    MODEL
    + """
configs = json.loads(sys.argv[1])
outputs = [compiled(c)(ROW)[0] for c in configs]
error = max(float(np.abs(y - outputs[0]).max()) for y in outputs)
print(json.dumps([[threads(c) for c in configs], error, float(np.abs(outputs[0]).max())]))
"""
)


@rig.requires_rig(shim=False)
def test_two_sockets_split_on_two_real_cores(tmp_path: Path) -> None:
    """On 2x1 the policy takes both cores, LATENCY one, and outputs agree."""
    threads, error, size = python(TWO_SOCKETS, THREADS_AND_OUTPUTS, tmp_path, shim=False, given=[LATENCY, SPLIT])
    assert threads == [1, 2]
    assert error <= 1e-5 * size


@rig.requires_rig(shim=True)
@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (Described(sockets=2, cores_per_node=8), [8, 16]),
        (Described(sockets=2, cores_per_node=8, smt=2), [8, 16]),
        (Described(sockets=2, nodes_per_socket=2, cores_per_node=4), [8, 16]),
        (Described(sockets=2, cores_per_node=48), [48, 64]),
        (Described(sockets=4, cores_per_node=4), [4, 16]),
        (Described(sockets=1, nodes_per_socket=2, cores_per_node=4), [8, 8]),
        (Described(sockets=2, sockets_per_node=2, cores_per_node=8), [8, 8]),
    ],
)
def test_native_split_takes_one_sub_stream_per_separated_socket(
    described: Described, expected: list[int], tmp_path: Path
) -> None:
    """The policy takes up to 32 cores of each socket that NUMA nodes separate, and outputs agree."""
    threads, error, size = python(described, THREADS_AND_OUTPUTS, tmp_path, shim=True, given=[LATENCY, SPLIT])
    assert threads == expected
    assert error <= 1e-5 * size


@rig.requires_rig(shim=True)
@pytest.mark.parametrize("sockets", [(0,), (0, 1), (1, 3), (0, 1, 2), (0, 1, 2, 3)])
def test_the_mask_sets_the_native_degree(sockets: tuple[int, ...], tmp_path: Path) -> None:
    """On 4x4 a process bound to some sockets before its first Core splits over just those."""
    program = MODEL + (
        "cpus, config = json.loads(sys.argv[1])\nos.sched_setaffinity(0, cpus)\nprint(threads(config))\n"
    )
    cpus = [cpu for socket in sockets for cpu in FOUR_BY_FOUR.of_socket(socket)]
    assert python(FOUR_BY_FOUR, program, tmp_path, shim=True, given=[cpus, SPLIT]) == 4 * len(sockets)


@rig.requires_rig(shim=True)
def test_a_forked_child_binds_itself_before_its_first_core(tmp_path: Path) -> None:
    """Import OpenVINO, fork, set the mask, create the Core: the child's split follows its own mask."""
    program = MODEL + (
        "if os.fork() == 0:\n"
        "    os.sched_setaffinity(0, range(8))\n"
        "    print(threads(json.loads(sys.argv[1])), flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert python(FOUR_BY_FOUR, program, tmp_path, shim=True, given=SPLIT) == 8


@rig.requires_rig(shim=True)
def test_python_sees_all_pretended_cpus(tmp_path: Path) -> None:
    """The affinity mask and the CPU count are the pretended machine's."""
    program = "import json, os; print(json.dumps([sorted(os.sched_getaffinity(0)), os.cpu_count()]))"
    described = Described(sockets=8, cores_per_node=32)
    assert python(described, program, tmp_path, shim=True) == [list(range(256)), 256]


@rig.requires_rig(shim=True)
def test_a_mask_survives_fork_and_is_inherited_by_threads(tmp_path: Path) -> None:
    """A forked child and a new thread start with the mask of the thread that made them."""
    program = """
import json, os, threading
from concurrent.futures import ThreadPoolExecutor

def mask(): return sorted(os.sched_getaffinity(0))

def bind_and_make():
    os.sched_setaffinity(0, {9})
    with ThreadPoolExecutor(1) as pool:
        return [mask(), pool.submit(mask).result()]

os.sched_setaffinity(0, {2, 5})
with ThreadPoolExecutor(1) as pool:
    seen = pool.submit(bind_and_make).result()
if os.fork() == 0:
    print(json.dumps([*seen, mask()]), flush=True)
    os._exit(0)
os.wait()
"""
    assert python(FOUR_BY_FOUR, program, tmp_path, shim=True) == [[9], [9], [2, 5]]


@rig.requires_rig(shim=True)
def test_a_thread_can_be_bound_by_its_id(tmp_path: Path) -> None:
    """Another thread of the process is bound by its tid, and the main thread by the pid."""
    program = """
import json, os, threading
ready, done, seen = threading.Event(), threading.Event(), []

def other():
    ready.set()
    done.wait()
    seen.append(sorted(os.sched_getaffinity(0)))
    os.sched_setaffinity(os.getpid(), {1})

thread = threading.Thread(target=other)
thread.start()
ready.wait()
os.sched_setaffinity(thread.native_id, {7, 8})
done.set()
thread.join()
print(json.dumps([*seen, sorted(os.sched_getaffinity(0))]))
"""
    assert python(FOUR_BY_FOUR, program, tmp_path, shim=True) == [[7, 8], [1]]


@rig.requires_rig(shim=True)
@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("os.sched_setaffinity(0, {16})", "EINVAL"),
        ("os.sched_setaffinity(os.getppid(), {0})", "EPERM"),
        ("os.sched_getaffinity(os.getppid())", "EPERM"),
        ("os.sched_getaffinity(2**30)", "ESRCH"),
    ],
)
def test_a_wrong_affinity_call_fails_as_stated(call: str, error: str, tmp_path: Path) -> None:
    """Unknown CPUs and processes fail as in Linux; another process's mask is out of reach."""
    program = (
        f"import errno, json, os\ntry: {call}\nexcept OSError as e: print(json.dumps(errno.errorcode[e.errno]))\n"
    )
    assert python(FOUR_BY_FOUR, program, tmp_path, shim=True) == error


@rig.requires_rig(shim=True)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the system call's number is x86_64's")
def test_libc_calls_agree_with_each_other(tmp_path: Path) -> None:
    """The raw system call gives the kernel's byte count; pthread and getcpu calls follow the same mask."""
    program = """
import ctypes, json, os, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.pthread_self.restype = ctypes.c_void_p
mask = ctypes.c_uint64(0)
raw = libc.syscall(204, 0, 8, ctypes.byref(mask))
small = libc.sched_getaffinity(0, 4, ctypes.byref(mask))
new = ctypes.c_uint64(0b1100_0000)
libc.pthread_setaffinity_np(ctypes.c_void_p(libc.pthread_self()), 8, ctypes.byref(new))
libc.pthread_getaffinity_np(ctypes.c_void_p(libc.pthread_self()), 8, ctypes.byref(mask))
print(json.dumps([raw, small, mask.value, sorted(os.sched_getaffinity(0)), libc.sched_getcpu() in (6, 7)]))
"""
    assert python(FOUR_BY_FOUR, program, tmp_path, shim=True) == [8, -1, 0b1100_0000, [6, 7], True]


@rig.requires_rig(shim=False)
def test_the_real_machine_is_untouched(tmp_path: Path) -> None:
    """The pretended CPUs are seen inside the command only."""
    online = Path("/sys/devices/system/node/online")
    before = online.read_text()
    inside = rig.run(TWO_SOCKETS, ("cat", str(online)), shim=False, tmp=tmp_path, timeout_s=10)
    assert (inside.stdout, online.read_text()) == ("0-1\n", before)


def running(stat: Path) -> bool:
    """Whether the process whose /proc file `stat` is still runs."""
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@rig.requires_rig(shim=False)
def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """At the timeout the whole process group ends."""
    argv = ("sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(subprocess.TimeoutExpired):
        rig.run(TWO_SOCKETS, argv, shim=False, tmp=tmp_path, timeout_s=1)
    stat = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    deadline = time.monotonic() + 60
    while running(stat) and time.monotonic() < deadline:
        time.sleep(0.05)  # with its namespace to tear down, a killed process may take seconds
    assert not running(stat)


@rig.requires_rig(shim=True)
def test_ctrl_c_reaches_the_command(tmp_path: Path) -> None:
    """A signal to the started process is a signal to the command itself."""
    program = (
        "import time\ntry:\n    print('ready', flush=True)\n    time.sleep(20)\n"
        "except KeyboardInterrupt:\n    raise SystemExit(130)"
    )
    with rig.start(TWO_SOCKETS, (sys.executable, "-c", program), shim=True, tmp=tmp_path) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130


@rig.requires_rig(shim=False)
def test_by_hand_it_passes_the_exit_code_on() -> None:
    """`python tests/support/rig.py ... -- COMMAND` ends as the command does."""
    argv = (sys.executable, rig.__file__, "--sockets", "2", "--cores", "1", "--", "sh", "-c", "nproc; exit 7")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "2\n")


def test_a_missing_tool_is_the_reason_to_skip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where unshare is missing the rig says so instead of failing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "unshare" in (rig.available(shim=False) or "")


@rig.requires_rig(shim=False, cpus=1)
def test_too_few_real_cpus_is_the_reason_to_skip() -> None:
    """Without the shim a machine larger than the real one is refused with the CPUs it would need."""
    assert "0-99999" in (rig.available(shim=False, cpus=100_000) or "")
