"""Does what autotp says of a language model hold in OpenVINO GenAI, where it's deployed?

    python -m tests.compare_genai --tuned A/tuned.yaml B/tuned.yaml --out results/reference/genai.json

The config of each tuned.yaml and OpenVINO's LATENCY hint, each by `autotp measure` and by plain
`LLMPipeline(folder, "CPU", **properties)` in processes of their own, all four in turn, so that drift falls on all;
the ratios of a turn get a t-interval on the logarithm. Told are first-token and second-token latency and tokens a
second, by either tool's own account, and what GenAI says of tuned against hint.

Exit 0: GenAI's latencies are within 10 % of autotp's, its tokens a second within 5 %, and it agrees with the
verdict: a WIN isn't slower there. Exit 1: one of it isn't so.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from subprocess import PIPE, run
from typing import Any

import numpy as np

from autotp.deploy import Tuned, read_tuned
from tests.race_grid import ratio_interval
from tests.real_models import language_model

KEYS = ("first_token_latency_s", "second_token_latency_s", "tokens_per_s")
MARGINS = {"first_token_latency_s": 0.1, "second_token_latency_s": 0.1, "tokens_per_s": 0.05}
HINT = {"performance_hint": "latency"}
BUDGET_S = 5
Figures = dict[str, float]


def measured(folder: Path, config: dict[str, Any], tokens: list[str]) -> Figures:
    """What `autotp measure` says."""
    settings = [word for name, value in config.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "autotp", "measure", str(folder), "--json", "--budget", f"{BUDGET_S}s"]
    found = json.loads(run([*command, *settings, *tokens], check=True, stdout=PIPE, text=True).stdout)
    return {key: found[key] for key in KEYS}


def generated(folder: Path, properties: dict[str, str], tokens: list[str]) -> Figures:
    """What OpenVINO GenAI says."""
    command = [sys.executable, "-m", "tests.genai_worker", str(folder), "--properties", json.dumps(properties)]
    found = json.loads(run([*command, *tokens], check=True, stdout=PIPE, text=True).stdout)
    return {key: median(found[key]) for key in KEYS}


def compare(folder: Path, tuned: Tuned, turns: int, backend: str) -> dict[str, Any]:
    """Take turns, and put the figures side by side."""
    profile, workload = tuned.profiles[0], tuned.workload
    tokens = ["--prompt-tokens", str(workload.prompt_tokens), "--new-tokens", str(workload.new_tokens)]
    plain = {"PERFORMANCE_HINT": "LATENCY", "ATTENTION_BACKEND": backend}
    ours: dict[str, list[Figures]] = {"hint": [], "tuned": []}
    theirs: dict[str, list[Figures]] = {"hint": [], "tuned": []}
    for turn in range(turns):
        jobs: list[tuple[list[Figures], Callable[[], Figures]]] = [
            (ours["hint"], lambda: measured(folder, HINT, tokens)),
            (theirs["hint"], lambda: generated(folder, plain, tokens)),
            (ours["tuned"], lambda: measured(folder, profile.config, tokens)),
            (
                theirs["tuned"],
                lambda: generated(folder, {**profile.properties, "ATTENTION_BACKEND": backend}, tokens),
            ),
        ]
        for taken, job in jobs if turn % 2 else reversed(jobs):
            taken.append(job())
        print(f"{turn + 1} of {turns} turns", file=sys.stderr, flush=True)
    return {
        "prompt_tokens": workload.prompt_tokens,
        "new_tokens": workload.new_tokens,
        "attention_backend": backend,
        "objective": tuned.objective.metrics[0],
        "verdict": profile.result.verdict,
        "config": profile.config,
        "autotp_over_genai": {name: ratios(ours[name], theirs[name]) for name in ours},
        "tuned_over_hint_in_genai": ratios(theirs["tuned"], theirs["hint"]),
        "figures": {"autotp": ours, "genai": theirs},
    }


def ratios(one: list[Figures], other: list[Figures]) -> dict[str, Any]:
    """The ratio of each figure, with its interval over turns."""
    return {
        key: ratio_interval(np.array([found[key] for found in one]), np.array([found[key] for found in other]))
        for key in KEYS
    }


def holds(found: dict[str, Any]) -> bool:
    """Whether both tools agree, and with the verdict."""
    agree = all(
        abs(of_config[key]["ratio"] - 1) <= margin
        for of_config in found["autotp_over_genai"].values()
        for key, margin in MARGINS.items()
    )
    key = next(key for key in KEYS if key.startswith(found["objective"]))
    gain = found["tuned_over_hint_in_genai"][key]
    worse = gain["high"] < 1 if key == "tokens_per_s" else gain["low"] > 1
    return agree and not (found["verdict"] == "win" and worse)


def main() -> int:
    """Compare, keep and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tuned", type=Path, nargs="+", required=True)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--backend", choices=("PA", "SDPA"), default="PA", help="GenAI's own default is PA")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    tuned = {path.parent.name: read_tuned(path) for path in asked.tuned}
    found = {
        name: compare(language_model(), content, asked.turns, asked.backend) for name, content in tuned.items()
    }
    text = json.dumps({"tuned": found}, indent=2)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")
    return 0 if all(map(holds, found.values())) else 1


if __name__ == "__main__":
    sys.exit(main())
