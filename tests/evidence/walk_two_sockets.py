"""OpenVINO's walk-through for a language model on two sockets, with one command of autotp for each of its steps.

    python -m tests.evidence.walk_two_sockets --out results/reference/two_sockets.json

The walk-through (https://blog.openvino.ai/blog-posts/openvino-optimization-llm-distributed) sets a machine up,
gets an IR, measures it on one socket, then distributed over two, and reads off the latency of the first and of the
second token. Here each step is a command on a pretended machine of two sockets with one core each
(tests.support.rig), whose cores are real, so that sub-streams are, too; its memory isn't split, so the
figures say nothing about a real server. Exit 0: every command ended well, and native splits were proven active.
"""

import argparse
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.evidence.outcomes import keep
from tests.support import rig
from tests.support.real_models import language_model
from tests.support.trees import Described

ROOT = Path(__file__).parents[2]
MACHINE = Described(sockets=2)
MODEL = "smollm2"
ASKED = ("--prompt-tokens", "256")
STEPS = (
    ("probe",),
    ("space", "tensor_parallel"),
    ("measure", MODEL, *ASKED, "--set", "numa_nodes=1"),
    ("measure", MODEL, *ASKED, "--set", "distribution_policy=tensor_parallel", "--set", "split_count=2"),
    ("tune", MODEL, *ASKED, "--space", "tensor_parallel", "--budget", "5m", "--out", "two_sockets"),
    ("show", "two_sockets/tuned.yaml"),
)
TIMEOUT_S = 600
ACTIVE = "split active"


def walk(step: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Run one command in `folder` on the pretended machine."""
    with tempfile.TemporaryDirectory() as tree:
        argv = (sys.executable, "-m", "autotp", *step)
        done = rig.run(
            MACHINE,
            argv,
            shim=False,
            tmp=Path(tree),
            timeout_s=TIMEOUT_S,
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        )
    text = re.sub(r"[ \t]+$", "", done.stdout + done.stderr, flags=re.MULTILINE)
    print(f"$ autotp {shlex.join(step)}\n{text}", flush=True)
    return {"command": f"autotp {shlex.join(step)}", "exit_code": done.returncode, "output": text}


def main() -> int:
    """Walk, keep and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(language_model(), Path(folder) / MODEL)
        steps = [walk(step, Path(folder)) for step in STEPS]
    keep({"steps": steps}, asked.out)
    tuned = steps[-2]["output"]
    return 0 if all(step["exit_code"] == 0 for step in steps) and ACTIVE in tuned else 1


if __name__ == "__main__":
    sys.exit(main())
