"""Runs a command on a pretended machine, so that tensor parallelism is tested with the real OpenVINO.

OpenVINO, TBB and hwloc believe the `/sys` they are shown. In a private mount namespace (unshare(1), as root
or in a user namespace of one's own) a tree written by `tests.support.trees` is bound over the real CPU and node
folders, and the command is executed there. In two ways:

- without the shim the pretended CPUs are real ones with another topology (two sockets of one core on a host
  with two cores), and pinning and sub-streams are real;
- with the shim (`rig_shim.c` in LD_PRELOAD) there may be any number of CPUs, and their affinity masks are
  kept by the process itself: good for what OpenVINO chooses and for outputs, never for speed.

A pretended mask survives fork, not exec, and can't be read or set from another process. `/proc` and the
cgroup files still show the real CPUs.

By hand, from a clone's root:

    python tests/support/rig.py --sockets 4 --cores 4 --shim -- python -m autotp probe
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.trees import Described, build, cpu_list

_SHIM_SOURCE = Path(__file__).with_name("rig_shim.c")
_NEEDED = ("sys/devices/system/cpu", "sys/devices/system/node")
_OPTIONAL = ("sys/bus/cpu/devices", "sys/bus/node/devices")
_TOOLS = ("unshare", "mount", "taskset", "env", "sh")
_BIND_THEN_EXEC = 'for p in $1; do mount --bind "$0/$p" "/$p" || exit 125; done; shift; exec "$@"'


def available(shim: bool, cpus: int = 2) -> str | None:
    """Why the rig can't run here, or None if it can.

    `cpus` is how many CPUs the pretended machine has: without the shim they must be real and allowed.
    """
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"the rig needs {', '.join(missing)}"
    hidden = [path for path in _NEEDED if not Path("/", path).is_dir()]
    if hidden:
        return f"the rig needs /{hidden[0]} to bind over"
    if not shim and not set(range(cpus)) <= os.sched_getaffinity(0):
        return f"the rig without its shim needs the real CPUs {cpu_list(range(cpus))}"
    return _namespace_trouble() or (_shim_trouble() if shim else None)


def requires_rig(*, shim: bool, cpus: int = 2) -> pytest.MarkDecorator:
    """A mark that skips a test, with the reason, where the rig is not available."""
    reason = available(shim, cpus)
    return pytest.mark.skipif(reason is not None, reason=reason or "")


def run(
    described: Described,
    argv: Sequence[str],
    *,
    shim: bool,
    tmp: Path,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `argv` on the machine `described` to its end; its whole process group is killed at the timeout.

    `tmp` receives the machine's tree, `env` is added to the environment. Raises subprocess.TimeoutExpired.
    """
    with start(described, argv, shim=shim, tmp=tmp, env=env, cwd=cwd) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(tuple(argv), process.returncode, out, err)


def start(
    described: Described,
    argv: Sequence[str],
    *,
    shim: bool,
    tmp: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[str]:
    """Start `argv` on the machine `described`; the process is the command itself and leads its own group."""
    return subprocess.Popen(
        command(described, argv, shim=shim, tmp=tmp),
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def command(described: Described, argv: Sequence[str], *, shim: bool, tmp: Path) -> tuple[str, ...]:
    """The command line that becomes `argv` on the machine `described`; each step execs the next."""
    root = _tree(described, tmp)
    paths = " ".join([*_NEEDED, *(path for path in _OPTIONAL if Path("/", path).is_dir())])
    namespace = ("unshare", _namespace_flags(), "--", "sh", "-c", _BIND_THEN_EXEC, str(root), paths)
    return (*namespace, *_affinity(described, shim), *argv)


def _affinity(described: Described, shim: bool) -> tuple[str, ...]:
    # The real cgroup allows only real NUMA nodes, and hwloc would leave out the pretended ones: then OpenVINO
    # crashes as soon as it binds an unpinned stream to one of them.
    environment = ("env", "HWLOC_ALLOW=all")
    online = cpu_list(tuple(cpu.id for cpu in described.online))
    if not shim:
        return (*environment, "taskset", "-c", online)
    preload = " ".join(filter(None, (str(_shim_library()), *_openvino_hwloc(), os.environ.get("LD_PRELOAD"))))
    return (*environment, f"LD_PRELOAD={preload}", f"AUTOTP_RIG_CPUS={online}")


@cache
def _openvino_hwloc() -> tuple[str, ...]:
    """TBB opens its hwloc so that the shim is passed over (RTLD_DEEPBIND), unless it has been loaded before."""
    found = importlib.util.find_spec("openvino")
    folders = (found.submodule_search_locations if found else None) or ()
    return tuple(str(path) for folder in folders for path in Path(folder).glob("libs/libhwloc.so.*"))


def _tree(described: Described, tmp: Path) -> Path:
    root = tmp / f"machine-{hashlib.sha256(repr(described).encode()).hexdigest()[:12]}"
    if not root.exists():
        draft = Path(tempfile.mkdtemp(dir=tmp))
        draft.chmod(0o755)
        build(described, draft).rename(root)
    return root


@cache
def _namespace_flags() -> str:
    """How to get a mount namespace: as root a plain one, else (or in a container) with a user namespace."""
    plain = ("unshare", "-m", "--", "true")
    may = os.geteuid() == 0 and subprocess.run(plain, capture_output=True, check=False).returncode == 0
    return "-m" if may else "-Urm"


@cache
def _namespace_trouble() -> str | None:
    with tempfile.TemporaryDirectory() as tmp:
        argv = command(Described(), ("true",), shim=False, tmp=Path(tmp))
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return f"no private mount namespace: {done.stderr.strip()}" if done.returncode else None


@cache
def _shim_trouble() -> str | None:
    if shutil.which("gcc") is None:
        return "the rig's shim needs gcc"
    try:
        _shim_library()
    except subprocess.CalledProcessError as error:
        return f"gcc can't compile the rig's shim: {error.stderr.strip()}"
    except OSError as error:
        return f"no place for the rig's shim: {error}"
    return None


@cache
def _shim_library() -> Path:
    """The compiled shim, in a private cache folder under a name that changes with its source."""
    folder = Path(tempfile.gettempdir()) / f"autotp-rig-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    library = folder / f"rig_shim-{hashlib.sha256(_SHIM_SOURCE.read_bytes()).hexdigest()[:12]}.so"
    if not library.exists():
        draft = library.with_suffix(f".{os.getpid()}")
        flags = ("-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-pthread")
        argv = ("gcc", *flags, "-o", str(draft), str(_SHIM_SOURCE), "-ldl")
        subprocess.run(argv, check=True, capture_output=True, text=True)
        draft.replace(library)
    return library


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rig.py", description="Run a command on a pretended machine.")
    parser.add_argument("--sockets", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=1, help="NUMA nodes per socket")
    parser.add_argument("--cores", type=int, default=1, help="cores per NUMA node")
    parser.add_argument("--smt", type=int, default=1, help="threads per core")
    parser.add_argument("--shim", action="store_true", help="CPUs need not be real")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="after --")
    return parser.parse_args()


def main() -> int:
    """Run the command line's command with this terminal and return its exit code."""
    given = _arguments()
    described = Described(given.sockets, given.nodes, given.cores, given.smt)
    reason = available(given.shim, described.logical_cpus)
    if reason:
        print(reason, file=sys.stderr)
        return 125
    with tempfile.TemporaryDirectory() as tmp:
        argv = command(described, given.command, shim=given.shim, tmp=Path(tmp))
        signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is the command's; a handler isn't inherited
        return subprocess.run(argv, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
