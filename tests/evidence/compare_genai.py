"""Does what autotp says of a language model hold in OpenVINO GenAI, where it's deployed?

    python -m tests.evidence.compare_genai --tuned results/reference/smollm2_paged/tuned.yaml --out
    genai_paged.json

The config of the tuned.yaml and OpenVINO's LATENCY hint, each by `autotp measure` and by plain
`LLMPipeline(folder, "CPU", **properties)` in processes of their own, all in turn, so that drift falls on all; the
ratios of a turn get a t-interval on the logarithm. What counts is the median ratio of turns, as in
tests/evidence/compare_benchmark_app.py: on a shared machine one run of several finds a faster or slower
quarter of a minute than the others, which moves a mean. Reported are first-token and second-token latency and
tokens per second, as each tool measures them, and the ratio of tuned to hint by GenAI.

GenAI runs the backend that the file was tuned for: SDPA, the stateful model, or PA, paged attention, its default.
A config that splits the graph is given to GenAI as the model that `autotp split` writes.

Exit 0: GenAI's latencies are within 10 % of autotp's, its tokens a second within 5 %, and it agrees with the
verdict: a WIN isn't slower there. Exit 1: one of it isn't so.
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import PIPE, run
from typing import Any

import numpy as np

from autotp.deploy.tuned import Tuned, read_tuned
from autotp.runtime.graph.split_ir import save_split
from autotp.runtime.models.model_files import locate
from autotp.space.knobs.config import Config
from tests.evidence.outcomes import keep
from tests.evidence.race_grid import ratio_interval
from tests.support.real_models import language_model

KEYS = ("first_token_latency_s", "second_token_latency_s", "tokens_per_s")
MARGINS = {"first_token_latency_s": 0.1, "second_token_latency_s": 0.1, "tokens_per_s": 0.05}
TOOLS = ("autotp", "genai")
HINT = {"performance_hint": "latency"}
BUDGET_S = 5
Figures = dict[str, float]


def measured(folder: Path, config: dict[str, Any], backend: str, tokens: list[str]) -> Figures:
    """Return what `autotp measure` reports."""
    tokens = [*tokens, "--attention-backend", backend]
    settings = [word for name, value in config.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    command = [sys.executable, "-m", "autotp", "measure", str(folder), "--json", "--budget", f"{BUDGET_S}s"]
    found = json.loads(run([*command, *settings, *tokens], check=True, stdout=PIPE, text=True).stdout)
    return {key: found[key] for key in KEYS}


def generated(folder: Path, properties: dict[str, str], backend: str, tokens: list[str]) -> Figures:
    """Return what OpenVINO GenAI reports."""
    properties = {**properties, "ATTENTION_BACKEND": backend}
    command = [
        sys.executable,
        "-m",
        "tests.evidence.genai_worker",
        str(folder),
        "--properties",
        json.dumps(properties),
    ]
    found = json.loads(run([*command, *tokens], check=True, stdout=PIPE, text=True).stdout)
    return {key: median(found[key]) for key in KEYS}


def deployed(folder: Path, config: dict[str, Any], copy: Path) -> Path:
    """Return the model in `folder` as GenAI gets it: `copy`, written here, where `config` splits its graph."""
    if (split := Config.of(config).graph_split) is None:
        return folder
    shutil.copytree(folder, copy)
    save_split(locate(folder), split, copy / "openvino_model.xml")
    return copy


def compare(folder: Path, tuned: Tuned, turns: int, tmp: Path) -> dict[str, Any]:
    """Run both tools in turn and compare their figures."""
    profile, workload = tuned.profiles[0], tuned.workload
    backend = str(workload.attention_backend)
    tokens = ["--prompt-tokens", str(workload.prompt_tokens), "--new-tokens", str(workload.new_tokens)]
    configs = {"hint": (HINT, {"PERFORMANCE_HINT": "LATENCY"}), "tuned": (profile.config, profile.properties)}
    jobs = [Job(name, backend, tool, *configs[name]) for name in configs for tool in TOOLS]
    folders = {name: deployed(folder, config, tmp / name) for name, (config, _) in configs.items()}
    found: dict[str, dict[str, list[Figures]]] = {name: {tool: [] for tool in TOOLS} for name in configs}
    for turn in range(turns):
        for job in jobs if turn % 2 else reversed(jobs):
            found[job.name][job.tool].append(job.run(folder, folders[job.name], tokens))
        print(f"{turn + 1} of {turns} turns", file=sys.stderr, flush=True)
    return {
        "prompt_tokens": workload.prompt_tokens,
        "new_tokens": workload.new_tokens,
        "objective": tuned.objective.metrics[0],
        "attention_backend": backend,
        "verdict": profile.result.verdict,
        "config": profile.config,
        "autotp_over_genai": {name: ratios(*of_config.values()) for name, of_config in found.items()},
        "tuned_over_hint_in_genai": ratios(found["tuned"]["genai"], found["hint"]["genai"]),
        "figures": found,
    }


@dataclass(frozen=True)
class Job:
    """One config by one tool."""

    name: str
    backend: str
    tool: str
    config: dict[str, Any]
    properties: dict[str, str]

    def run(self, folder: Path, for_genai: Path, tokens: list[str]) -> Figures:
        """Run it in a process of its own."""
        if self.tool == "autotp":
            return measured(folder, self.config, self.backend, tokens)
        return generated(for_genai, self.properties, self.backend, tokens)


def ratios(one: list[Figures], other: list[Figures]) -> dict[str, Any]:
    """The ratio of each figure, with its interval over turns, and the median over them."""
    pairs = {key: [np.array([found[key] for found in tool]) for tool in (one, other)] for key in KEYS}
    return {key: {"median": float(np.median(a / b)), **ratio_interval(a, b)} for key, (a, b) in pairs.items()}


def holds(found: dict[str, Any]) -> bool:
    """Whether both tools agree, and with the verdict."""
    agree = all(
        abs(of_config[key]["median"] - 1) <= margin
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
    parser.add_argument("--tuned", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        found = compare(language_model(), read_tuned(asked.tuned), asked.turns, Path(tmp))
    keep(found, asked.out)
    return 0 if holds(found) else 1


if __name__ == "__main__":
    sys.exit(main())
