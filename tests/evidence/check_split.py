"""SmolLM2 split by output channel generates the same tokens as unsplit: in the graph, on disk, and natively.

    python -m tests.evidence.check_split --out results/reference/split.json     # about ten minutes

Each way of splitting runs in a process of its own and says 64 greedy tokens after three seeded prompts, in f32,
where rounding doesn't depend on how the work is split; the logits show how far it is off. Native splits run on
pretended machines (tests.support.rig) and are held against the same without the policy there, because rounding
does depend on the number of threads.

Exit 0: all tokens are the same, the layers counted are 1 and 211, the weights that `autotp split` writes are less
than 2 % larger, and so is the process where the head alone is split. Exit 1: one of it isn't so. Where all layers
are split, OpenVINO takes a tenth of a megabyte for each node more, of a model as it was written, too; of one as
small as this that is more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.evidence.outcomes import keep
from tests.support import rig
from tests.support.real_models import language_model
from tests.support.trees import Described

ROOT = Path(__file__).parents[2]
EXACT = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
NATIVE = {**EXACT, "MODEL_DISTRIBUTION_POLICY": "TENSOR_PARALLEL"}
COUNTS = (2, 3, 4)
HEAD_ALONE, ALL = 1, 211
LAYERS = {6_600_000: HEAD_ALONE, 0: ALL}
MACHINES = {
    "native 2 on 2x1": (Described(sockets=2), False),
    "native 4 on 4x4": (Described(sockets=4, cores_per_node=4), True),
}
MOST_GROWTH = 0.02
TIMEOUT_S = 900


def greedy(model: Path, *options: str) -> dict[str, Any]:
    """Run `greedy` in a process of its own and return what it printed."""
    command = [
        sys.executable,
        "-m",
        "tests.evidence.greedy",
        str(model),
        "--properties",
        json.dumps(EXACT),
        *options,
    ]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def pretended(
    model: Path, properties: dict[str, str], described: Described, shim: bool, tmp: Path
) -> dict[str, Any]:
    """Do the same on a pretended machine."""
    argv = (sys.executable, "-m", "tests.evidence.greedy", str(model), "--properties", json.dumps(properties))
    done = rig.run(described, argv, shim=shim, tmp=tmp, timeout_s=TIMEOUT_S, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def written(model: Path, count: int, least: int, folder: Path) -> Path:
    """Split with the command line."""
    out = folder / f"split_{count}_{least}.xml"
    flags = ["--count", str(count), "--min-weights", str(least), "-o", str(out)]
    subprocess.run([sys.executable, "-m", "autotp", "split", str(model), *flags], cwd=ROOT, check=True)
    return out


def against(whole: dict[str, Any], split: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of `split` that are compared with `whole`."""
    pairs = list(zip(whole["said"], split["said"], strict=True))
    return {
        "same_tokens": all(one["tokens"] == other["tokens"] for one, other in pairs),
        "largest_difference_of_logits": max(
            abs(a - b) for one, other in pairs for a, b in zip(one["logits"], other["logits"], strict=True)
        ),
        "split_nodes": split["split_nodes"],
        "threads": split["threads"],
        "resident_growth": round(split["resident_bytes"] / whole["resident_bytes"] - 1.0, 4),
    }


def folder_in(parent: Path, name: str) -> Path:
    """Make a folder."""
    folder = parent / name
    folder.mkdir()
    return folder


def growth(path: Path, model: Path) -> float:
    """By how much `path` is larger than `model`."""
    return round(path.stat().st_size / model.stat().st_size - 1.0, 4)


def check(tmp: Path) -> dict[str, Any]:
    """Split in every way and return what was found."""
    model = language_model() / "openvino_model.xml"
    whole = greedy(model)
    found: dict[str, Any] = {}
    for least in LAYERS:
        for count in COUNTS:
            name = f"graph {count}, from {least} weights"
            found[name] = against(whole, greedy(model, "--split", str(count), str(least)))
            path = written(model, count, least, tmp)
            found[f"{name}, written"] = against(whole, greedy(path)) | {
                "weights_growth": growth(path.with_suffix(".bin"), model.with_suffix(".bin")),
                "graph_growth": growth(path, model),
            }
            found[name]["layers_expected"] = found[f"{name}, written"]["layers_expected"] = LAYERS[least]
    for name, (described, shim) in MACHINES.items():
        plain, split = (
            pretended(model, properties, described, shim, folder_in(tmp, f"{name} {number}"))
            for number, properties in enumerate((EXACT, NATIVE))
        )
        found[name] = against(plain, split)
    return found


def holds(found: dict[str, Any]) -> bool:
    """Whether everything is as it should be."""
    return all(
        one["same_tokens"]
        and one["split_nodes"] == one.get("layers_expected", 0)
        and one.get("weights_growth", 0.0) < MOST_GROWTH
        and (one.get("layers_expected") != HEAD_ALONE or one["resident_growth"] < MOST_GROWTH)
        for one in found.values()
    )


def main() -> int:
    """Check, keep and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = check(Path(folder))
    keep({"ways": found}, asked.out)
    return 0 if holds(found) else 1


if __name__ == "__main__":
    sys.exit(main())
