"""Generates a language model's most likely next tokens with plain OpenVINO: one process, one config.

    python -m tests.evidence.greedy FOLDER_OR_XML --properties '{"PERFORMANCE_HINT": "LATENCY"}' --tokens 64

Prints one JSON object: the tokens of each prompt, the largest logit of each, and the memory of the process with
the model after a prompt of one token, so without the activations of longer prompts.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import psutil

from autotp.runtime.graph.split_fc import count_split, split_fc
from autotp.runtime.models.model_files import locate
from autotp.space.knobs.graph_split import GraphSplit

PROMPTS, PROMPT_TOKENS = 3, 32


def main() -> int:
    """Print what follows seeded prompts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--properties", type=json.loads, default={})
    parser.add_argument("--split", type=int, nargs=2, metavar=("COUNT", "MIN_WEIGHTS"))
    parser.add_argument("--tokens", type=int, default=64)
    asked = parser.parse_args()
    core = ov.Core()
    model = core.read_model(locate(asked.model).path)
    if asked.split:
        model = split_fc(model, GraphSplit(*asked.split), mapped=True)
    compiled = core.compile_model(model, "CPU", asked.properties)
    del model
    request = compiled.create_infer_request()
    greedy(request, [0], 1)
    resident_bytes = psutil.Process().memory_info().rss
    facts = {
        "said": [greedy(request, _prompt(compiled, seed), asked.tokens) for seed in range(PROMPTS)],
        "split_nodes": count_split(compiled),
        "threads": compiled.get_property("INFERENCE_NUM_THREADS"),
        "resident_bytes": resident_bytes,
    }
    print(json.dumps(facts))
    return 0


def greedy(request: Any, prompt: list[int], tokens: int) -> dict[str, list[Any]]:
    """Return the likeliest token after `prompt`, and after each that is returned, with its logit."""
    request.reset_state()
    given, said, logits = prompt, list[int](), list[float]()
    for _ in range(tokens):
        done = len(prompt) + len(said) - len(given)
        inputs = {
            "input_ids": np.array([given]),
            "attention_mask": np.ones((1, done + len(given)), np.int64),
            "position_ids": np.arange(done, done + len(given))[np.newaxis],
            "beam_idx": np.zeros(1, np.int32),
        }
        known = {name for port in request.model_inputs for name in port.names}
        last = next(iter(request.infer({k: v for k, v in inputs.items() if k in known}).values()))[0, -1]
        said.append(int(last.argmax()))
        logits.append(float(last.max()))
        given = said[-1:]
    return {"tokens": said, "logits": logits}


def _prompt(model: ov.CompiledModel, seed: int) -> list[int]:
    vocabulary = model.output(0).partial_shape[-1].get_length()
    return [int(token) for token in np.random.default_rng(seed).integers(0, vocabulary, PROMPT_TOKENS)]


if __name__ == "__main__":
    sys.exit(main())
