"""Models that OpenVINO runs and autotp refused, or whose failure it explained badly."""

import numpy as np

from tests.evidence.field_cases.case import Case, Desk, NotAsExpected
from tests.support import onnx_bytes
from tests.support.language_models import language_model
from tests.support.models import WIDTH, data_weights_model, past_model, sized_model

CONFIGS = {
    "Infinity": b'{"time_step_limit": [0.0, Infinity], "max_position_embeddings": 4096}',
    "a byte-order mark": b'\xef\xbb\xbf{"max_position_embeddings": 4096}',
    "4096.0": b'{"max_position_embeddings": 4096.0}',
    "a word as limit": b'{"max_position_embeddings": "many"}',
    "half a file": b'{"max_position_embeddings": ',
}


def replay_lenient_config(desk: Desk) -> str:
    """Measure a language model beside each of these config.json; a limit that is read still bounds the prompt."""
    folder = language_model(desk.folder / "llm")
    lengths = ("--prompt-tokens", "8", "--new-tokens", "4", "--budget", "0.2s")
    for content in CONFIGS.values():
        (folder / "config.json").write_bytes(content)
        desk.autotp("measure", "llm", *lengths).ended_with(0)
    (folder / "config.json").write_bytes(CONFIGS["4096.0"])
    desk.autotp("measure", "llm", "--prompt-tokens", "5000", "--budget", "0.2s").ended_with(2).says("4096")
    return f"measured beside a config.json with {', '.join(CONFIGS)}; 5000 tokens don't fit into 4096.0"


def replay_weights_from_data(desk: Desk) -> str:
    """Measure and split a model with a layer whose weights are found in the data."""
    data_weights_model(desk.folder)
    desk.autotp("measure", "data_weights.xml", "--budget", "0.5s").ended_with(0)
    split = ("--count", "2", "--min-weights", "0", "-o", "split.xml")
    desk.autotp("split", "data_weights.xml", *split).ended_with(0).says("1 fully connected layer(s)")
    desk.autotp("measure", "split.xml", "--budget", "0.5s").ended_with(0)
    return "measured; of its two layers the one with constant weights is split"


def replay_size_as_input(desk: Desk) -> str:
    """Measure, tune and compare a model with an input that is a size, without data and with them."""
    sized_model(desk.folder)
    commands = (
        ("measure", "sized.xml"),
        ("tune", "sized.xml", "--budget", "20s"),
        ("compare", "hint:LATENCY", "hint:THROUGHPUT", "--model", "sized.xml", "--budget", "20s"),
    )
    for command in commands:
        done = desk.autotp(*command).ended_with(2).says("the inference failed", "--data", "sized")
        if "CRASHED" in done.stderr or "in compile" in done.stderr:
            raise NotAsExpected(f"{done.command}: {done.stderr.strip()[-500:]}")
    np.savez(desk.folder / "sizes.npz", x=np.zeros((2, 3, 4), np.float32), size=np.array([[2, 6], [4, 3]]))
    desk.autotp("measure", "sized.xml", "--data", "sizes.npz", "--budget", "0.5s").ended_with(0)
    desk.autotp("tune", "sized.xml", "--data", "sizes.npz", "--budget", "10s").ended_with(0, 3)
    return (
        "exit code 2 of measure, tune and compare, with the inference and --data, with which measure and tune run"
    )


def replay_openvinos_reasons(desk: Desk) -> str:
    """Look at what is kept of OpenVINO's errors of several forms."""
    told: dict[str, tuple[str, ...]] = {"unknown.onnx": ("Blancmange",), "nowhere.onnx": ('"w"',)}
    told["widths.onnx"] = ("MatMul", "24", "31")
    graphs = {
        "unknown.onnx": onnx_bytes.graph(onnx_bytes.node("Blancmange")),
        "nowhere.onnx": onnx_bytes.graph(weights=onnx_bytes.tensor(name="other")),
        "widths.onnx": onnx_bytes.graph(weights=onnx_bytes.tensor(bytes(31 * 31 * 4), width=31)),
    }
    for name, words in told.items():
        (desk.folder / name).write_bytes(onnx_bytes.model(graphs[name]))
        done = desk.autotp("measure", name).ended_with(2).says(*words)
        if "Check '" in done.stderr or ".cpp" in done.stderr:
            raise NotAsExpected(f"{done.command}: {done.stderr.strip()[-500:]}")
    return "the unknown operation, the missing tensor and the sizes that don't match are named"


def replay_empty_past(desk: Desk) -> str:
    """Measure, tune, compare and load a model with an empty past."""
    past_model(desk.folder)
    past_model(desk.folder, "static", past=0)
    shape = ("--shape", f"past=[0,{WIDTH}]")
    desk.autotp("measure", "past.xml", *shape, "--budget", "0.5s").ended_with(0)
    desk.autotp("measure", "static.xml", "--budget", "0.5s").ended_with(0)
    desk.autotp("tune", "past.xml", *shape, "--budget", "10s", "--out", "out").ended_with(0, 3)
    desk.autotp("compare", "out/tuned.yaml", "hint:LATENCY", "--budget", "10s").ended_with(0, 1, 3)
    loaded = desk.python(
        "import autotp, numpy as np\n"
        f"x, past = (np.ones((rows, {WIDTH}), np.float32) for rows in (1, 0))\n"
        "print(autotp.load('out/tuned.yaml').infer({'x': x, 'past': past})['y'].tolist())"
    ).ended_with(0)
    return f"measured, tuned, compared and loaded with past=[0,{WIDTH}]: y = {loaded.stdout.strip()[:24]}…"


CASES: tuple[Case, ...] = (
    Case(
        number="13",
        title="config.json as Python writes it",
        before="A config.json with Infinity, a byte-order mark or 4096.0: the language model was refused",
        test="tests/runtime/models/test_language.py::test_a_limit_that_cannot_be_read_is_unknown",
        replay=replay_lenient_config,
    ),
    Case(
        number="14",
        title="weights that are found in the data",
        before='"to_shape was called on a dynamic shape": refused by the look for layers to split',
        test="tests/cli/test_measure.py::test_a_layer_whose_weights_are_found_in_the_data_is_not_split",
        replay=replay_weights_from_data,
    ),
    Case(
        number="16a",
        title="an input that is a size",
        before='measure exit code 2, tune 5, both "CRASHED in compile: RuntimeError"',
        test="tests/cli/test_measure.py::test_an_input_that_is_a_size_is_bad_input_until_it_is_given",
        replay=replay_size_as_input,
        minutes=0.3,
    ),
    Case(
        number="16b",
        title="the telling line of OpenVINO's errors",
        before='"Model wasn\'t fully converted" without what wasn\'t, "Loading input model" without why',
        test="tests/runtime/models/test_reason.py::test_openvinos_own_errors_keep_what_tells",
        replay=replay_openvinos_reasons,
    ),
    Case(
        number="17",
        title="a size of 0",
        before="--shape 'past=[0,16]': isn't a shape",
        test="tests/cli/test_measure.py::test_a_size_may_be_zero",
        replay=replay_empty_past,
        minutes=0.7,
    ),
)
