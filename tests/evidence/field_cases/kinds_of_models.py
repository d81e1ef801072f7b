"""Models of every kind that OpenVINO reads: decoders that aren't fed with tokens alone, and other formats."""

from pathlib import Path

import openvino as ov

from tests.evidence.field_cases.case import Case, Desk, NotAsExpected
from tests.support import other_formats
from tests.support.language_models import HIDDEN, embeddings_language_model, sentence_encoder, speech_decoder
from tests.support.onnx_bytes import WIDTH

SPEECH = {"input_ids": [1, 4], "encoder_hidden_states": [1, 50, HIDDEN], "beam_idx": [1]}
FED_OTHERWISE = {
    embeddings_language_model: {
        "inputs_embeds": [1, 4, HIDDEN],
        "attention_mask": [1, 4],
        "position_ids": [1, 4],
        "beam_idx": [1],
    },
    sentence_encoder: {"input_ids": [1, 4], "attention_mask": [1, 4], "position_ids": [1, 4], "beam_idx": [1]},
}
LOAD = """
import sys, autotp, numpy
loaded = autotp.load(sys.argv[1])
ports = loaded.compiled_model.inputs
loaded.infer({port.any_name: numpy.zeros(port.shape, port.element_type.to_dtype()) for port in ports})
print("applied" if loaded.decision.applied else loaded.decision.reason)
"""


def replay_speech_decoder(desk: Desk) -> str:
    """Drive a decoder that an encoder feeds: refused without shapes with the way, tuned and loaded with them."""
    model = speech_decoder(desk.folder / "whisper")
    desk.autotp("measure", model).ended_with(2).says("encoder_hidden_states", "--shape 'input_ids=[1,1]'")
    shapes = _flags(SPEECH)
    tuned = desk.autotp("tune", model, *shapes, "--budget", "15s", "--out", "out").ended_with(0, 3)
    desk.autotp("measure", model, *shapes, "--budget", "1s").ended_with(0)
    desk.autotp("compare", "out/tuned.yaml", "hint:THROUGHPUT", "--budget", "2s").ended_with(0, 1, 3)
    desk.autotp("split", model, "--count", "2", "--min-weights", "0", "-o", "split.xml").ended_with(0)
    desk.python(LOAD, "out/tuned.yaml").ended_with(0).says("applied")
    ruling = tuned.stdout.strip().splitlines()[-3].split(":")[0]
    return (
        f"without shapes exit code 2, which names --shape; with them tuned ({ruling}), loaded, compared and split"
    )


def replay_other_decoders(desk: Desk) -> str:
    """Drive decoders that take embeddings for tokens, or give no logits."""
    for make, shapes in FED_OTHERWISE.items():
        model = make(desk.folder / make.__name__)
        desk.autotp("measure", model).ended_with(2).says("--shape")
        desk.autotp("measure", model, *_flags(shapes), "--budget", "1s").ended_with(0)
    return f"{len(FED_OTHERWISE)} decoders: each refused without shapes, which are named, and measured with them"


def replay_formats(desk: Desk) -> str:
    """Measure the same model in each format, tune some and load them, retrained and changed."""
    models = other_formats.write_all(desk.folder)
    for model in models.values():
        desk.autotp("measure", model, "--budget", "1s").ended_with(0)
        target = desk.folder / "split.xml"
        desk.autotp("split", model, "--count", "2", "--min-weights", "0", "-o", target).ended_with(0)
        if ov.Core().read_model(target).inputs[0].get_shape() != ov.Shape([1, WIDTH]):
            raise NotAsExpected(f"{model.name}: the split model has other inputs")
    said = [_deployed(desk, models[name]) for name in ("tflite", "paddle", "saved")]
    return f"{', '.join(models)}: measured and split; {'; '.join(said)}"


def replay_no_models(desk: Desk) -> str:
    """Give files that aren't models."""
    contents = {"notes.txt": b"hello", "net.pt": b"PK\3\4", "empty.pb": b"", "noise.tflite": bytes(range(256)) * 9}
    for name, content in contents.items():
        (desk.folder / name).write_bytes(content)
        desk.autotp("measure", name).ended_with(2).says(f"OpenVINO can't read {name}", "openvino.convert_model")
        desk.autotp("split", name, "--count", "2", "-o", "split.xml").ended_with(2).says("OpenVINO can't read")
    return (
        f"{', '.join(contents)}: exit code 2, with OpenVINO's reason and how a model of another framework gets in"
    )


def _deployed(desk: Desk, model: Path) -> str:
    """Tune `model`; return what is applied of it afterwards, with other weights, and with another graph."""
    out = desk.folder / f"out-{model.name}"
    desk.autotp("tune", model, "--budget", "10s", "--out", out).ended_with(0, 3)
    kind = next(line for line in (out / "tuned.yaml").read_text().splitlines() if line.startswith("  kind: "))
    desk.python(LOAD, out / "tuned.yaml").ended_with(0).says("applied")
    other_formats.write_all(desk.folder, other_formats.weights(seed=1))
    desk.python(LOAD, out / "tuned.yaml").ended_with(0).says("applied")
    other_formats.write_all(desk.folder, activation=other_formats.TANH)
    desk.python(LOAD, out / "tuned.yaml").ended_with(0).says("is not the model that was tuned")
    other_formats.write_all(desk.folder)
    return f"{model.name} ({kind.strip()}) loads, with new weights, too; with another graph the hint"


def _flags(shapes: dict[str, list[int]]) -> list[str]:
    return [part for name, shape in shapes.items() for part in ("--shape", f"{name}={shape}")]


CASES: tuple[Case, ...] = (
    Case(
        number="15a",
        title="A decoder that an encoder feeds",
        before="with --shape refused as a language model, without refused for its inputs",
        test="tests/deploy/test_load.py::test_a_decoder_fed_by_an_encoder_is_loaded_with_its_state",
        replay=replay_speech_decoder,
        minutes=0.6,
    ),
    Case(
        number="15b",
        title="Decoders with beams that take embeddings, or give no logits",
        before="with --shape refused as language models, without refused for their inputs or outputs",
        test="tests/runtime/models/test_model_files.py::test_decoders_that_are_not_fed_with_tokens_alone_are_irs",
        replay=replay_other_decoders,
        minutes=0.3,
    ),
    Case(
        number="18a",
        title="Formats of other frameworks that OpenVINO reads",
        before="refused by their suffix",
        test="tests/deploy/test_load.py::test_a_model_of_any_format_is_loaded",
        replay=replay_formats,
        minutes=1.5,
    ),
    Case(
        number="18b",
        title="Files that aren't models",
        before="refused by their suffix, without OpenVINO being asked",
        test="tests/runtime/models/test_read.py::test_a_file_that_no_frontend_recognises_is_refused_with_a_way",
        replay=replay_no_models,
        minutes=0.3,
    ),
)
