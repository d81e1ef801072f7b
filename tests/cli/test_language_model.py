"""Language models from the command line: measured, tuned, compared and loaded like any other, by their tokens."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autotp.deploy.tuned import read_tuned
from autotp.tuning.events import TuningBegan
from autotp.tuning.study.block_columns import decode_blocks
from tests.support.command_line import autotp
from tests.support.language_models import language_model
from tests.support.models import matmul_model
from tests.support.whole_tunings import EXIT_CODES, Done, trials_of

ASKED = ("--prompt-tokens", "24", "--new-tokens", "16")
LOAD = """
import json, sys
import numpy as np, autotp
with autotp.load(sys.argv[1]) as model:
    inputs = {"input_ids": [[1, 2, 3]], "attention_mask": [[1, 1, 1]], "position_ids": [[0, 1, 2]]}
    inputs["beam_idx"] = [0]
    (logits,) = model.infer({name: np.array(value) for name, value in inputs.items()}).values()
    print(json.dumps([model.decision.applied, model.nireq, logits.shape]))
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One short tuning by both tokens."""
    folder = tmp_path_factory.mktemp("done")
    objectives = ("--objective", "second_token_latency", "--objective", "first_token_latency")
    return Done(language_model(folder / "toy"), folder / "out", "--budget", "6s", *ASKED, *objectives)


def test_a_language_model_is_tuned_without_a_flag(done: Done) -> None:
    """The folder shows that it's a language model; tuned.yaml says so, and holds the workload."""
    assert done.code == EXIT_CODES[done.tuned.profiles[0].result.verdict], done.err
    assert (done.tuned.model.kind, done.tuned.model.shapes) == ("llm", {})
    workload = done.tuned.workload
    assert (workload.kind, workload.nireq, workload.prompt_tokens) == ("generate", 1, 24)
    assert (workload.new_tokens, workload.batch, workload.seed) == (16, 1, 0)
    began = done.events[0]
    assert began["event"] == TuningBegan.__struct_config__.tag
    assert began["workload"] == {
        "workload": "generation",
        "seed": 0,
        "prompt_tokens": 24,
        "new_tokens": 16,
        "batch": 1,
        "attention_backend": "SDPA",
        "timed": ["first_tokens", "second_tokens"],
    }


def test_its_figures_are_those_of_tokens(done: Done) -> None:
    """Latency of the first token and of those after it, and tokens a second, where both are asked about."""
    metrics = done.tuned.profiles[0].result.metrics
    assert set(metrics) == {
        "first_token_latency_s",
        "second_token_latency_s",
        "tokens_per_s",
        "memory_bytes",
        "compile_s",
    }
    assert min(metrics.values()) > 0


def test_the_front_holds_what_is_best_in_either(done: Done) -> None:
    """Each point has both figures; what isn't the best in one says what that costs."""
    front = done.tuned.profiles[0].pareto
    assert front
    for point in front:
        assert {"first_token_latency_s", "second_token_latency_s"} <= set(point.metrics)
        assert set(point.costs) <= {"first_token_latency", "second_token_latency"}
        assert bool(point.costs) is (len(front) > 1)


def test_the_study_keeps_every_token(done: Done) -> None:
    """Blocks come back from the storage with the times of the prompt and of each token after it."""
    (baseline, *_) = (t for t in trials_of(done.out, "toy-second_token_latency-first_token_latency") if t.values)
    rows = [
        row for name, value in baseline.user_attrs.items() if "blocks:" in name for row in decode_blocks(value)
    ]
    assert rows
    for _, _, block in rows:
        assert (len(block.first_tokens_s), len(block.second_tokens_s)) == (1, 8)


def test_what_was_tuned_can_be_loaded(done: Done) -> None:
    """The compiled model takes prompts of any length and gives the logits of the last position."""
    tuned = str(done.out / "tuned.yaml")
    process = subprocess.run((sys.executable, "-c", LOAD, tuned), capture_output=True, text=True, check=True)
    assert json.loads(process.stdout) == [True, 1, [1, 1, 97]]


def test_one_config_can_be_measured(tmp_path: Path) -> None:
    """Whole generations, each with its prompt, by all three figures; what other models have is null."""
    model = language_model(tmp_path / "toy")
    _, out, _ = autotp("measure", str(model), *ASKED, "--batch", "2", "--budget", "0.3s", "--json")
    found = json.loads(out)
    assert found["inferences"] == 2 * 16 * found["blocks"]
    assert min(found[key] for key in ("tokens_per_s", "first_token_latency_s", "second_token_latency_s")) > 0
    assert (found["throughput_per_s"], found["latency_p50_s"], found["copy_s"]) == (None, None, None)
    _, table, _ = autotp("measure", str(model), *ASKED, "--budget", "0.3s")
    assert "second_token_latency" in table
    assert "latency_p50" not in table


def test_what_genai_deploys_is_tuned_with_pages(tmp_path: Path) -> None:
    """The file says with which attention, and what deploys it; a model that has none is refused."""
    paged = ("--attention-backend", "pa", *ASKED)
    done = Done(language_model(tmp_path / "toy", attentive=True), tmp_path / "out", "--budget", "3s", *paged)
    assert done.code == EXIT_CODES[done.tuned.profiles[0].result.verdict], done.err
    assert done.tuned.workload.attention_backend == "PA"
    assert (
        done.tuned.profiles[0].result.metrics["first_token_latency_s"] > 0
    )  # reported although it isn't an objective
    deploy = (tmp_path / "out" / "tuned.yaml").read_text().splitlines()[2]
    assert deploy.endswith("with OpenVINO GenAI's LLMPipeline and ATTENTION_BACKEND=PA.")
    code, out, err = autotp("measure", str(language_model(tmp_path / "linear")), *paged)
    assert (code, out) == (2, "")
    assert "can't page the attention of this model" in err


def test_a_length_of_prompts_is_chosen_and_told(tmp_path: Path) -> None:
    """The shortest usual one where no longer one fits into the model's context."""
    model = language_model(tmp_path / "toy", context=300)
    _, out, _ = autotp("tune", str(model), "--budget", "2s", "--trials", "1", "--out", str(tmp_path / "out"))
    assert "workload  prompts of 128 tokens, 128 new ones each" in out
    assert read_tuned(tmp_path / "out" / "tuned.yaml").workload.prompt_tokens == 128


def test_two_configs_can_be_compared(tmp_path: Path) -> None:
    """By the second token unless another objective is named."""
    model = str(language_model(tmp_path / "toy"))
    sides = ("hint:LATENCY", "inference_num_threads=1")
    _, out, _ = autotp("compare", *sides, "--model", model, *ASKED, "--budget", "2s", "--json")
    found = json.loads(out)
    assert found["objective"] == "second_token_latency"
    assert found["a"]["metrics"]["second_token_latency_s"] > 0
    assert found["verdict"] in ("win", "tie", "lose", "unknown")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--objective", "latency_p50"), "no objective 'latency_p50' of a language model"),
        (("--shape", "input_ids=[1,8]"), "its shapes can't be set"),
        (("--data", "x.npz"), "--data is for a model that isn't a language model"),
        (("--rate", "5"), "--rate is for a model that isn't a language model"),
        (("--prompt-tokens", "300"), "A prompt of 300 tokens and 128 new ones don't fit"),
        (("--prompt-tokens", "0"), "--prompt-tokens"),
        (("--fix", "nireq=4"), "nireq can't be set: a language model generates in one request"),
        (("--constraint", "latency_p99<20ms"), "no metric 'latency_p99' of a language model"),
        (("--constraint", "soon"), "isn't of the form first_token_latency<20ms or tokens_per_s>100"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    """One sentence, exit code 2, nothing written."""
    model = language_model(tmp_path / "toy", context=256)
    code, _, err = autotp("tune", str(model), *options, "--out", str(tmp_path / "out"))
    assert (code, len(err.strip().splitlines()) < 5) == (2, True)
    assert words in " ".join(err.split())
    assert not (tmp_path / "out" / "tuned.yaml").exists()


def test_another_model_has_no_tokens(tmp_path: Path) -> None:
    """Asking for them is an error, as is an objective of theirs."""
    model = str(matmul_model(tmp_path))
    code, _, err = autotp("tune", model, "--new-tokens", "5")
    assert code == 2
    assert "--new-tokens is for a language model" in err
    code, _, err = autotp("tune", model, "--objective", "tokens_per_s")
    assert code == 2
    assert "no objective 'tokens_per_s' of a model that isn't a language model" in err


def test_a_folder_without_a_model_or_its_weights_is_told(tmp_path: Path) -> None:
    """What is missing is named."""
    (tmp_path / "empty").mkdir()
    code, _, err = autotp("tune", str(tmp_path / "empty"))
    assert code == 2
    assert "holds no openvino_model.xml" in err
    model = language_model(tmp_path / "toy")
    (model / "openvino_model.bin").unlink()
    code, _, err = autotp("tune", str(model))
    assert code == 2
    assert "openvino_model.bin" in err
    shutil.rmtree(model)
