"""`autotp tune --space tensor_parallel` on a pretended machine of four sockets, with the real OpenVINO."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import optuna

from tests.support import rig
from tests.support.models import wide_model
from tests.support.trees import Described

FOUR_BY_FOUR = Described(sockets=4, cores_per_node=4)
FIXED = ("--fix", "distribution_policy=tensor_parallel", "--fix", "inference_precision_hint=f32")
OPTIONS = ("--space", "tensor_parallel", *FIXED, "--objective", "latency_p50", "--budget", "120s", "--json")
STATES = {1: "inert", 2: "active", 3: "active", 4: "active"}


@rig.requires_rig(shim=True)
def test_four_sockets_explore_every_native_degree(tmp_path: Path) -> None:
    """Split counts 1 to 4 are tried, each with a proof: sub-streams as many, from threads that were seen.

    The tuning is stopped as soon as it has reported all four.
    """
    model, out = wide_model(tmp_path, rows=64), tmp_path / "out"
    argv = (sys.executable, "-m", "autotp", "tune", str(model), *OPTIONS, "--out", str(out))
    reported: dict[int, Any] = {}
    with rig.start(FOUR_BY_FOUR, argv, shim=True, tmp=tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "arm" and event.get("proof"):
                reported[event["config"]["split_count"]] = event["proof"]
            if reported.keys() == STATES.keys():
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert reported == STATES, (err, proofs(out))
    assert process.returncode == 130
    kept = proofs(out)
    for split_count, state in STATES.items():
        found = kept[split_count]
        assert (found["state"], found["sub_streams"]) == (state, split_count)
        assert (found["threads"], found["threads_without"]) == (4 * split_count, 4)


def proofs(out: Path) -> dict[int, dict[str, Any]]:
    """The proof of each split count, as the study in `out` keeps it."""
    (name,) = optuna.get_all_study_names(f"sqlite:///{out / 'study.db'}")
    trials = optuna.load_study(study_name=name, storage=f"sqlite:///{out / 'study.db'}").trials
    kept = [trial.user_attrs for trial in trials if "proof" in trial.user_attrs]
    native = [each for each in kept if each["config"].get("distribution_policy") == "tensor_parallel"]
    return {each["config"]["split_count"]: each["proof"] for each in native}
