"""Models whose time depends on their inputs: a gain must not come from the inputs that an arm happens to run."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from autotp.errors import TunedError
from autotp.files.yaml_loader import load_yaml
from autotp.runtime.inference.inputs import seeded_samples
from autotp.runtime.models.read import ModelInfo, Port
from tests.evidence.field_cases.case import Case, Desk, NotAsExpected, last_json
from tests.evidence.race_arms import Arm, Rules, race, tuned_arm
from tests.support.models import branching_model, looping_model

WIDTH = 512
PROCESSES, ROUNDS, BLOCK_S = 6, 30, 0.1
CONFIDENCE = 0.995


def replay_seeded_branch(desk: Desk) -> str:
    """Tune the branch on seeded flags, with both seeds."""
    model = branching_model(desk.folder, width=WIDTH)
    seen = []
    for seed in (0, 1):
        samples = seeded_samples(_branch_info(), seed)
        data = _save(desk, f"seed{seed}", {name: np.stack([s[name] for s in samples]) for name in samples[0]})
        seen.append(f"seed {seed}: {_tune_and_judge(desk, model, data, '--seed', str(seed))}")
    return "; ".join(seen)


def replay_cheap_samples(desk: Desk) -> str:
    """Tune the branch on a file in which two of eight samples are cheap."""
    model = branching_model(desk.folder, width=WIDTH)
    flags = np.array([False, True, False, False, False, True, False, False])[:, np.newaxis]
    x = np.random.default_rng(0).standard_normal((8, 1, WIDTH), np.float32)
    data = _save(desk, "data", {"flag": flags, "x": x})
    return _tune_and_judge(desk, model, data, "--data", data)


def replay_long_loops(desk: Desk) -> str:
    """Tune the loop on a file in which three of eight samples are long, with both seeds."""
    model = looping_model(desk.folder)
    trips = np.array([1, 40, 1, 40, 1, 1, 40, 1])[:, np.newaxis]
    x = np.random.default_rng(0).standard_normal((8, 1, 256), np.float32)
    data = _save(desk, "data", {"trips": trips, "x": x})
    seen = [
        f"seed {seed}: {_tune_and_judge(desk, model, data, '--data', data, '--seed', seed)}" for seed in ("0", "1")
    ]
    return "; ".join(seen)


def replay_one_row_for_all(desk: Desk) -> str:
    """Measure with eight samples of one input and one of the other, and with three of the other."""
    model = branching_model(desk.folder, width=16, layers=1)
    x = np.zeros((8, 1, 16), np.float32)
    data = _save(desk, "one", {"flag": np.array([False]), "x": x})
    measured = desk.autotp("measure", model, "--data", data, "--budget", "1s", "--json").ended_with(0)
    workload = last_json(measured)["workload"]
    if workload["sample_count"] != 8:
        raise NotAsExpected(f"{workload['sample_count']} of 8 samples were driven")
    uneven = _save(desk, "uneven", {"flag": np.zeros((3, 1), np.bool_), "x": x})
    refused = desk.autotp("measure", model, "--data", uneven, "--budget", "1s").ended_with(2)
    return f"8 samples driven, the row with each; 3 rows are refused: {refused.stderr.strip().splitlines()[-1]}"


def _tune_and_judge(desk: Desk, model: Path, data: Path, *options: str | Path) -> str:
    out = desk.folder / "out"
    tuning = desk.autotp(
        "tune", model, "--objective", "throughput", "--budget", "90s", "--fresh", "--out", out, *options
    ).ended_with(0, 3)
    tuned = load_yaml(out / "tuned.yaml", TunedError)
    if tuned["workload"].get("data_dependent") is not True:
        raise NotAsExpected("the tuning took the model's time to be independent of its inputs")
    result = tuned["profiles"][0]["result"]
    if result["verdict"] != "win":
        return f"{result['verdict'].upper()} ({tuning.seconds:.0f} s)"
    claimed, low, high = result["gain"], *_judge(model, data, tuned)
    words = f"WIN, {claimed['low']:.3f} to {claimed['high']:.3f}; plain OpenVINO says {low:.3f} to {high:.3f}"
    if claimed["low"] > high:
        raise NotAsExpected(words)
    return words


def _judge(model: Path, data: Path, tuned: Mapping[str, Any]) -> tuple[float, float]:
    """Drive baseline and winner through one sequence with plain OpenVINO; return the gain's interval."""
    baseline = tuned["profiles"][0]["result"]["baseline"]["config"]
    hint = Arm("hint", (("PERFORMANCE_HINT", baseline["performance_hint"].upper()),), _requests(baseline))
    rules = Rules(model, {}, BLOCK_S, seed=0, samples=data, passes=_passes(model, data, hint))
    order, gains = random.Random(0), []
    for _ in range(PROCESSES):
        wave = race([hint, tuned_arm(dict(tuned))], rules, ROUNDS, order)
        gains.append(float(np.median(np.log(wave.rates_per_s["tuned"] / wave.rates_per_s["hint"]))))
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, PROCESSES - 1) * np.std(gains, ddof=1) / PROCESSES**0.5
    return float(np.exp(np.mean(gains) - half)), float(np.exp(np.mean(gains) + half))


def _requests(baseline: Mapping[str, Any]) -> int | None:
    """Return how many requests the hint keeps in flight: its own optimum for throughput."""
    return int(baseline["nireq"]) if "nireq" in baseline else None


def _passes(model: Path, data: Path, hint: Arm) -> int:
    """Return how many passes take as long as a block."""
    rules = Rules(model, {}, BLOCK_S, seed=0, samples=data, passes=1)
    rate_per_s = float(np.median(race([hint], rules, 20, random.Random(0)).rates_per_s["hint"]))
    with np.load(data) as arrays:
        samples = len(arrays["x"])
    return max(1, round(BLOCK_S * rate_per_s / samples))


def _branch_info() -> ModelInfo:
    return ModelInfo((Port("flag", "boolean", (1,)), Port("x", "f32", (1, WIDTH))), ())


def _save(desk: Desk, name: str, arrays: Mapping[str, Any]) -> Path:
    path = desk.folder / f"{name}.npz"
    np.savez(path, **arrays)
    return path


CASES = (
    Case(
        number="1a",
        title="a branch on a seeded boolean",
        before="WIN, 2.450 to 2.516, for nireq=8, which merely held more cheap samples",
        test="tests/measuring/workload/test_passes.py::test_each_sample_counts_equally_often",
        replay=replay_seeded_branch,
        minutes=5,
    ),
    Case(
        number="1b",
        title="two of eight samples of a file are cheap",
        before="one request at a time saw sample 0 alone, several favoured the cheap ones",
        test="tests/measuring/workload/test_passes.py::test_each_sample_counts_equally_often",
        replay=replay_cheap_samples,
        minutes=2.5,
    ),
    Case(
        number="1c",
        title="a loop whose trip count is an input",
        before="WIN 2.90 and 2.81 with two seeds, where three of eight samples are long",
        test="tests/measuring/workload/test_passes.py::test_a_branch_on_the_input_is_an_effect",
        replay=replay_long_loops,
        minutes=5,
    ),
    Case(
        number="2",
        title="eight images and one row for all",
        before="one sample was driven and checked, seven dropped in silence",
        test="tests/runtime/inference/test_inputs.py::test_a_single_array_goes_with_all_samples",
        replay=replay_one_row_for_all,
    ),
)
