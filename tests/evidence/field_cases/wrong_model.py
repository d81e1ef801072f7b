"""The wrong model, or none: links, other models than the tuned one, and a result that was replaced by nothing."""

import json
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np

from tests.evidence.field_cases.case import SCRIPTS, Case, Desk, NotAsExpected
from tests.support.hub_cache import cached
from tests.support.models import WIDTH, counting_model, dynamic_model, expected, matmul_model

SHORT = ("--budget", "1s")
QUICK = ("--objective", "latency_p50", "--trials", "1", "--fix", "num_streams=1", "--fix", "nireq=1")
UNKNOWN, PROVEN = 3, 0
KILLED = (137, -9)
LOAD = """
import json, sys
import numpy as np, autotp
tuned, model, shape = sys.argv[1], sys.argv[2] or None, json.loads(sys.argv[3])
loaded = autotp.load(tuned, model=model)
inputs = {port.any_name: str(port.partial_shape) for port in loaded.compiled_model.inputs}
answer = loaded.infer({name: np.ones(shape, np.float32) for name in inputs})["y"].tolist() if shape else None
print(json.dumps([loaded.decision.applied, loaded.decision.reason, inputs, answer]))
"""


def loaded(desk: Desk, tuned: Path, model: Path | str = "", shape: tuple[int, ...] = ()) -> list[Any]:
    """Load `tuned` in a process of its own: whether it was applied, why, the inputs, what ones are answered."""
    done = desk.python(LOAD, tuned, model, json.dumps(shape)).ended_with(0)
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def must(right: bool, otherwise: str) -> None:
    """Raise NotAsExpected, with the text `otherwise`, unless `right`."""
    if not right:
        raise NotAsExpected(otherwise)


def replay_cache(desk: Desk) -> str:
    """Tune two models in a hub's cache, whose files are links to blobs, and load both."""
    for name in ("one", "two"):
        (desk.folder / name).mkdir()
        model = matmul_model(desk.folder / name, seed=len(name))
        snapshot = cached(model, desk.folder / "hub", f"org--{name}", f"{name}4f1c")
        desk.autotp("tune", snapshot, *SHORT).ended_with(PROVEN, UNKNOWN)
    studies = sorted(path.name for path in (desk.folder / "results").iterdir())
    must(studies == ["one4f1c-throughput", "two4f1c-throughput"], f"the studies are {studies}")
    for study in studies:
        tuned = desk.folder / "results" / study / "tuned.yaml"
        applied, reason, *_ = loaded(desk, tuned)
        must(applied, f"load of {study}: {reason}")
        desk.autotp("show", tuned).ended_with(0).says("snapshots", "here it would be applied")
    return f"the studies are {' and '.join(studies)}; load applies both"


def replay_link(desk: Desk) -> str:
    """Tune `models/current`, point it to other weights of the same graph, and load."""
    models = desk.folder / "models"
    for version, seed in (("v1", 0), ("v2", 1)):
        (models / version).mkdir(parents=True)
        matmul_model(models / version, "openvino_model", seed=seed)
    copyfile(models / "v1/openvino_model.xml", models / "v2/openvino_model.xml")
    (models / "current").symlink_to("v1")
    desk.autotp("tune", models / "current", *SHORT).ended_with(PROVEN, UNKNOWN)
    tuned = desk.folder / "results/current-throughput/tuned.yaml"
    ones = np.ones((1, WIDTH), np.float32)
    for version, seed in (("v1", 0), ("v2", 1)):
        (models / "current").unlink()
        (models / "current").symlink_to(version)
        applied, reason, _, answer = loaded(desk, tuned, shape=(1, WIDTH))
        must(applied, f"load with current -> {version}: {reason}")
        must(np.allclose(answer, expected(ones, seed=seed), atol=0.05), f"load doesn't serve {version}")
    return "load answers as v1 while `current` points there, and as v2 afterwards"


def replay_other(desk: Desk) -> str:
    """Tune a model at a shape and load other ones: static, with another input, dynamic."""
    mine = dynamic_model(desk.folder, "mine")
    desk.autotp("tune", mine, "--shape", f"x=[4,{WIDTH}]", *SHORT, "--out", "out").ended_with(PROVEN, UNKNOWN)
    others = {
        matmul_model(desk.folder, "static", width=64): {"x": "[1,64]"},
        counting_model(desk.folder, "other_input"): {"x": "[1,4]"},
        dynamic_model(desk.folder, "dynamic", width=64): {"x": "[?,64]"},
    }
    renamed = desk.folder / "renamed.xml"
    renamed.write_text((desk.folder / "static.xml").read_text().replace('"x"', '"pixels"'))
    copyfile(desk.folder / "static.bin", renamed.with_suffix(".bin"))
    others[renamed] = {"pixels": "[1,64]"}
    for other, wanted in others.items():
        applied, reason, inputs, _ = loaded(desk, desk.folder / "out/tuned.yaml", other)
        must(not applied and "not the model that was tuned" in reason, f"{other.name}: {reason}")
        must(inputs == wanted, f"{other.name} was compiled with the inputs {inputs}")
    return f"{len(others)} other models run with the hint, each with its own inputs; the reason says so"


def replay_fresh(desk: Desk) -> str:
    """Prove something, then begin afresh: killed, then too short, and at last refused with whose study it is."""
    model = matmul_model(desk.folder, width=256)
    ask = ("tune", str(model), *QUICK, "--out", "out")
    tries = (
        desk.autotp(*ask, "--fresh", "--budget", budget).ended_with(PROVEN, UNKNOWN) for budget in ("40s", "2m")
    )
    must(any(done.code == PROVEN for done in tries), "nothing could be proven on this machine")
    tuned = desk.folder / "out/tuned.yaml"
    before = tuned.read_bytes()
    autotp = str(SCRIPTS / "autotp")
    desk.run(["timeout", "-s", "KILL", "8", autotp, *ask, "--fresh", "--budget", "60s"]).ended_with(*KILLED)
    must(tuned.read_bytes() == before, "after the kill tuned.yaml is another one")
    desk.autotp(*ask, "--fresh", *SHORT).ended_with(UNKNOWN).says("UNKNOWN: ", "stays as it was", str(model))
    must(tuned.read_bytes() == before, "after an UNKNOWN tuned.yaml is another one")
    desk.autotp(*ask).ended_with(2).says("--fresh", f"(of {model}, begun 20")
    applied, reason, *_ = loaded(desk, tuned)
    must(applied, f"load of what stayed: {reason}")
    return (
        "tuned.yaml is the same after a kill and after an UNKNOWN (exit code 3); the refusal names model and date"
    )


CASES: tuple[Case, ...] = (
    Case(
        number="3",
        title="models in a hub's cache",
        before="both studies are called blobs-throughput; load refuses the tuned.yaml that was just written",
        test="tests/deploy/test_load.py::test_a_model_in_a_hub_s_cache_is_loaded",
        replay=replay_cache,
        minutes=0.5,
    ),
    Case(
        number="4",
        title="a link that is pointed to a new version",
        before="load serves v1",
        test="tests/deploy/test_load.py::test_what_a_link_points_to_now_is_loaded",
        replay=replay_link,
        minutes=0.3,
    ),
    Case(
        number="5",
        title="load with another model than the tuned one",
        before="a static model is silently reshaped; one with another input is a ModelError",
        test="tests/deploy/test_load.py::test_another_model_gets_the_hint_as_it_is",
        replay=replay_other,
        minutes=0.3,
    ),
    Case(
        number="12",
        title="--fresh where something is proven",
        before="killed after 5 s: the old result is gone",
        test="tests/tuning/test_tuner.py::test_what_another_study_proved_stays_where_this_one_cannot_tell",
        replay=replay_fresh,
        minutes=1.2,
    ),
)
