"""First and second tokens by plain OpenVINO GenAI's own metrics: one process, one config.

    python -m tests.evidence.genai_worker FOLDER --properties '{"PERFORMANCE_HINT": "LATENCY"}' --prompt-tokens 512

Each generation has another prompt, so that nothing is remembered of the one before; the first isn't counted.
Prints one JSON object of lists, one value for each generation that counts.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import openvino_genai as genai

from autotp.runtime.compile import inspect_model
from autotp.runtime.models.model_files import locate


def main() -> int:
    """Generate and print GenAI's metrics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--properties", type=json.loads, default={})
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--generations", type=int, default=3)
    asked = parser.parse_args()
    pipeline = genai.LLMPipeline(str(asked.model), "CPU", **asked.properties)
    config = genai.GenerationConfig()
    config.max_new_tokens, config.ignore_eos, config.do_sample = asked.new_tokens, True, False
    language = inspect_model(locate(asked.model), {}).language
    assert language is not None
    found: dict[str, list[float]] = {"first_token_latency_s": [], "second_token_latency_s": [], "tokens_per_s": []}
    for seed in range(asked.generations + 1):
        tokens = np.random.default_rng(seed).integers(0, language.vocabulary, (1, asked.prompt_tokens))
        metrics = pipeline.generate(ov.Tensor(tokens), config).perf_metrics
        if seed:
            found["first_token_latency_s"].append(metrics.get_ttft().mean / 1e3)
            found["second_token_latency_s"].append(metrics.get_tpot().mean / 1e3)
            found["tokens_per_s"].append(metrics.get_throughput().mean)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
