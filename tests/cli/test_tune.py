"""`autotp tune`, end to end on the real OpenVINO, and what it refuses."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from optuna.trial import TrialState

import autotp as package
from autotp.deploy.tuned import read_tuned, write_tuned
from autotp.findings.ruling import Ruling
from autotp.tuning.events import Event, TuningBegan
from autotp.tuning.study.block_columns import decode_blocks
from tests.support import rig
from tests.support.command_line import autotp, beside_the_budget
from tests.support.models import dynamic_model, matmul_model
from tests.support.onnx_bytes import MODEL as ONNX
from tests.support.trees import Described
from tests.support.whole_tunings import EXIT_CODES, TUNE, Done, trials_of

LOAD = """
import json, sys
import numpy as np, autotp
with autotp.load(sys.argv[1]) as model:
    (port,) = model.compiled_model.inputs
    outputs = model.infer({"x": np.ones(port.shape, np.float32)})
    print(json.dumps([model.decision.applied, sorted(outputs), model.nireq]))
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One short tuning with a baseline of one's own and a constraint."""
    folder = tmp_path_factory.mktemp("done")
    asked = ("--budget", "8s", "--baseline", "num_streams=1", "--constraint", "latency_p99<10s")
    return Done(matmul_model(folder, width=256), folder / "out", *asked)


def test_each_line_is_an_event_and_the_last_the_verdict(done: Done) -> None:
    """`--json` gives JSON lines alone; the last one holds tuned.yaml's content, and the exit code fits it."""
    kinds = [event.pop("event") for event in json.loads(json.dumps(done.events))]
    assert kinds[:2] == ["began", "baselined"]
    assert set(kinds[2:-1]) <= {"short_budget", "noise", "arm", "chance", "play_off", "finals", "final", "weather"}
    assert kinds[-1] == "verdict"
    content = {key: value for key, value in done.events[-1].items() if key != "event"}
    assert content == json.loads(msgspec.json.encode(done.tuned))
    assert (done.code, beside_the_budget(done.err)) == (EXIT_CODES[done.tuned.profiles[0].result.verdict], "")


def test_no_more_arms_than_asked_for_are_searched(done: Done) -> None:
    """`--trials 2` begins two trials of the search at most."""
    roles = [trial.user_attrs["role"] for trial in trials_of(done.out, "model-throughput")]
    assert 1 <= roles.count("search") <= 2
    assert sum(event["event"] == "arm" and event["trial"] >= 0 for event in done.events) <= len(roles)


def test_the_study_holds_every_role(done: Done) -> None:
    """Baselines, search and finals are trials; none is left running, all attributes are JSON values."""
    trials = trials_of(done.out, "model-throughput")
    finals = {"final"} if "finals" in [event["event"] for event in done.events] else set()
    assert {trial.user_attrs["role"] for trial in trials} == {"baseline", "search"} | finals
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.FAIL}
    for trial in trials:
        json.dumps(trial.user_attrs, allow_nan=False)
        assert isinstance(trial.user_attrs["config"], dict)


def test_a_complete_trial_holds_its_evidence(done: Done) -> None:
    """Status, metrics, effective config, proof, output error, violation and decodable raw blocks are there."""
    measured = [t for t in trials_of(done.out, "model-throughput") if t.user_attrs.get("status") == "OK"]
    assert measured
    for trial in measured:
        kept = trial.user_attrs
        assert trial.values == [kept["metrics"]["throughput_per_s"]]
        assert kept["effective"]["streams"] >= 1
        assert kept["proof"] == {"state": "none"}
        assert kept["output_error"]["finite"] is True
        assert list(trial.constraints) == ["latency_p99<10s"]
        rows = [row for key in kept if key.startswith("blocks:") for row in decode_blocks(kept[key])]
        assert len(rows) == kept["rounds"] > 0


def test_ones_own_settings_are_a_baseline(done: Done) -> None:
    """`--baseline` is raced as a baseline, or reported to be the same as a hint."""
    baselines = [t.user_attrs["config"] for t in trials_of(done.out, "model-throughput")]
    aliases = next(event for event in done.events if event["event"] == "baselined")["aliases"]
    assert {"num_streams": 1} in [*baselines, *aliases]


def test_the_file_says_in_three_lines_what_was_found(done: Done) -> None:
    """Three lines of comment, then the YAML; the model is named relative to it."""
    lines = (done.out / "tuned.yaml").read_text().splitlines()
    assert [line.startswith("# ") for line in lines[:4]] == [True, True, True, False]
    assert done.tuned.model.path == "../model.xml"
    assert done.tuned.study.storage == "study.db"
    assert done.tuned.objective.constraints == ("latency_p99<10s",)


def test_the_file_loads_and_infers(done: Done) -> None:
    """A fresh process loads what was tuned, applies it and answers."""
    argv = [sys.executable, "-c", LOAD, str(done.out / "tuned.yaml")]
    loaded = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert json.loads(loaded.stdout) == [True, ["y"], done.tuned.workload.nireq]


def test_the_file_can_be_shown(done: Done) -> None:
    """`autotp show` prints the verdict and that it would be applied here."""
    code, out, _ = autotp("show", str(done.out / "tuned.yaml"))
    assert code == 0
    assert f"{done.tuned.profiles[0].result.verdict.upper()}: " in out
    assert "here it would be applied" in out


def test_an_existing_study_is_refused_with_both_flags_named(done: Done) -> None:
    """Without `--resume` or `--fresh` nothing is touched, exit code 2."""
    before = {path.name: path.read_bytes() for path in done.out.iterdir()}
    code, out, err = autotp("tune", str(done.model), "--out", str(done.out))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "--resume" in err
    assert "--fresh" in err
    assert {path.name: path.read_bytes() for path in done.out.iterdir()} == before


def test_a_fresh_study_that_proves_nothing_leaves_what_is_proven(tmp_path: Path) -> None:
    """Exit code 3 and the verdict of this call; `kept` is what tuned.yaml still holds."""
    model = matmul_model(tmp_path)
    asked = ("tune", str(model), "--out", str(tmp_path), "--budget", "0.5s")
    assert autotp(*asked)[0] == EXIT_CODES["unknown"]
    content = read_tuned(tmp_path / "tuned.yaml")
    (shipped,) = content.profiles
    won = msgspec.structs.replace(shipped, result=msgspec.structs.replace(shipped.result, verdict=Ruling.WIN))
    write_tuned(tmp_path / "tuned.yaml", msgspec.structs.replace(content, profiles=(won,)), "It was proven.")
    written = (tmp_path / "tuned.yaml").read_bytes()
    code, out, _ = autotp(*asked, "--fresh", "--json")
    verdict = json.loads(out.splitlines()[-1])
    assert (code, verdict["profiles"][0]["result"]["verdict"]) == (EXIT_CODES["unknown"], "unknown")
    assert verdict["kept"]["profiles"][0]["result"]["verdict"] == "win"
    code, out, _ = autotp(*asked, "--fresh")
    assert code == EXIT_CODES["unknown"]
    assert "stays as it was" in out
    assert (tmp_path / "tuned.yaml").read_bytes() == written


def test_any_name_will_do_for_a_study_and_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study named after its model lies in its own folder with its database, and is found again."""
    monkeypatch.chdir(tmp_path)
    name = '{1} %41?# "}\nline two'
    model = matmul_model(tmp_path, name=name)
    assert autotp("tune", str(model), "--budget", "0.2s")[0] in EXIT_CODES.values()
    folder = tmp_path / "results" / f"{name}-throughput"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert sorted(path.name for path in folder.iterdir()) == ["study.db", "tuned.yaml"]
    assert (folder / read_tuned(folder / "tuned.yaml").model.path).samefile(model)
    code, _, err = autotp("tune", str(model), "--budget", "0.2s")
    assert (code, "--resume" in err) == (2, True)
    assert autotp("tune", str(model), "--budget", "0.2s", "--resume")[0] in EXIT_CODES.values()
    assert autotp("show", str(folder / "tuned.yaml"))[0] == 0


def test_an_interrupted_resume_keeps_what_was_proven(done: Done) -> None:
    """Ctrl-C in a later call leaves the earlier call's verdict in tuned.yaml."""

    def interrupt(event: Event) -> None:
        if isinstance(event, TuningBegan):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        package.tune(done.model, out=done.out, resume=True, listener=interrupt)
    found = read_tuned(done.out / "tuned.yaml").profiles[0].result
    assert (found.verdict, found.gain) == (
        done.tuned.profiles[0].result.verdict,
        done.tuned.profiles[0].result.gain,
    )


def test_ctrl_c_leaves_a_study_that_resume_continues(tmp_path: Path) -> None:
    """SIGINT: exit code 130, `unknown` in tuned.yaml; `--resume` goes on with more trials and prints text."""
    model, out = matmul_model(tmp_path), tmp_path / "out"
    argv = [*TUNE, str(model), "--out", str(out), "--trials", "1"]
    with subprocess.Popen(
        [*argv, "--budget", "20s", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=30)
    assert [json.loads(line)["event"] for line in lines] == ["began", "baselined"]
    assert (process.returncode, beside_the_budget(err).strip()) == (130, "autotp: stopped.")
    assert json.loads(rest.splitlines()[-1])["profiles"][0]["result"]["verdict"] == "unknown"
    assert read_tuned(out / "tuned.yaml").profiles[0].result.verdict == "unknown"
    before = trials_of(out, "model-throughput")
    assert not [trial for trial in before if not trial.state.is_finished()]
    resumed = subprocess.run([*argv, "--budget", "5s", "--resume"], capture_output=True, text=True)
    assert (resumed.returncode, beside_the_budget(resumed.stderr)) == (
        EXIT_CODES[read_tuned(out / "tuned.yaml").profiles[0].result.verdict],
        "",
    )
    assert resumed.stdout.startswith("study     model-throughput in ")
    assert "\nbaseline  performance_hint=" in resumed.stdout
    assert f"Written to {out / 'tuned.yaml'}." in resumed.stdout
    after = trials_of(out, "model-throughput")
    assert [trial.state for trial in after[: len(before)]] == [trial.state for trial in before]
    assert "search" in [trial.user_attrs["role"] for trial in after[len(before) :]]


def test_a_terminal_that_closes_leaves_a_study_and_a_file(tmp_path: Path) -> None:
    """SIGHUP, which comes twice and after the output has gone: exit code 129, `unknown` in tuned.yaml."""
    model, out = matmul_model(tmp_path), tmp_path / "out"
    argv = [*TUNE, str(model), "--out", str(out), "--trials", "1", "--budget", "20s"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("baseline "):
            pass
        process.stdout.close()
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 129
    assert read_tuned(out / "tuned.yaml").profiles[0].result.verdict == "unknown"
    assert not [trial for trial in trials_of(out, "model-throughput") if not trial.state.is_finished()]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_reader_that_leaves_does_not_end_a_tuning(form: tuple[str, ...], tmp_path: Path) -> None:
    """`autotp tune … | head -1`, and under nohup a terminal that closes: on to the verdict and its exit code."""
    model, out = matmul_model(tmp_path), tmp_path / "out"
    argv = ["nohup", *TUNE, str(model), "--out", str(out), "--trials", "1", "--budget", "1s", *form]
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.send_signal(signal.SIGHUP)
        err = process.communicate(timeout=60)[1]
    tuned = read_tuned(out / "tuned.yaml")
    assert (process.returncode, beside_the_budget(err)) == (EXIT_CODES[tuned.profiles[0].result.verdict], "")
    assert "was stopped" not in (out / "tuned.yaml").read_text()


@rig.requires_rig(shim=False)
def test_two_sockets_run_a_native_split(tmp_path: Path) -> None:
    """On the pretended 2x1 machine the space `tensor_parallel` proves two sub-streams: 2 threads, 1 without."""
    model, out = matmul_model(tmp_path, width=512), tmp_path / "out"
    knobs = ("inference_precision_hint=f32", "distribution_policy=tensor_parallel", "split_count=2")
    fixed = [part for knob in knobs for part in ("--fix", knob)]
    argv = (*TUNE, str(model), "--space", "tensor_parallel", "--budget", "6s", *fixed, "--out", str(out), "--json")
    done = rig.run(Described(sockets=2), argv, shim=False, tmp=tmp_path, timeout_s=60)
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == EXIT_CODES[verdict["profiles"][0]["result"]["verdict"]], done.stderr
    assert verdict["profiles"][0]["machine"]["hard"]["sockets"] == 2
    native = {("distribution_policy", "tensor_parallel"), ("split_count", 2)}
    split = [
        [trial.user_attrs["proof"][key] for key in ("state", "sub_streams", "threads", "threads_without")]
        for trial in trials_of(out, "model-throughput")
        if native <= set(trial.user_attrs["config"].items()) and trial.user_attrs["role"] == "search"
    ]
    assert ["active", 2, 2, 1] in split


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound model, a dynamic one, and broken ones."""
    folder = tmp_path_factory.mktemp("models")
    matmul_model(folder, "sound", width=256)
    dynamic_model(folder, "dynamic")
    (folder / "broken.xml").write_text("<net><layers>")
    (folder / "empty.xml").write_text("")
    (folder / "truncated.onnx").write_bytes(ONNX[: len(ONNX) // 2])
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "text.txt").write_text("no model")
    shorter = matmul_model(folder, "shorter", width=256).with_suffix(".bin")
    shorter.write_bytes(shorter.read_bytes()[:1000])
    matmul_model(folder, "unweighted", width=256).with_suffix(".bin").unlink()
    (folder / "space.yaml").write_text("knobs: {num_streams: [-1]}\n")
    (folder / "yaml.yaml").write_text("knobs: [\n")
    return folder


@pytest.mark.parametrize(
    ("code", "model", "options", "words"),
    [
        (2, "gone.xml", (), "gone.xml doesn't exist"),
        (2, "text.txt", (), "OpenVINO can't read text.txt"),
        (2, ".", (), "holds no openvino_model.xml"),
        (2, "broken.xml", (), "broken.xml"),
        (2, "empty.xml", (), "empty.xml"),
        (2, "truncated.onnx", (), "truncated.onnx"),
        (2, "empty.onnx", (), "empty.onnx"),
        (2, "shorter.xml", (), "shorter"),
        (2, "unweighted.xml", (), "unweighted"),
        (2, "dynamic.xml", (), "--shape 'x=[1,16]'"),
        (2, "sound.xml", ("--shape", "x=[1,3]"), "x=[1, 3]"),
        (2, "sound.xml", ("--shape", "z=[1,256]"), "no input 'z'"),
        (2, "sound.xml", ("--shape", "x"), "--shape"),
        (2, "sound.xml", ("--fix", "nstreams=2"), "no knob 'nstreams'"),
        (2, "sound.xml", ("--fix", "num_streams=0"), "num_streams"),
        (2, "sound.xml", ("--fix", "num_streams"), "knob=value"),
        (2, "sound.xml", ("--objective", "speed"), "no objective 'speed'"),
        (2, "sound.xml", ("--out", "/proc/nothing"), "/proc/nothing"),
        (2, "sound.xml", ("--out", "text.txt"), "text.txt"),
        (2, "sound.xml", ("--budget", "soon"), "90s, 5m or 1h30m"),
        (2, "sound.xml", ("--budget", "0s"), "duration"),
        (2, "sound.xml", ("--constraint", "latency_p99=3"), "isn't of the form latency_p50<20ms"),
        (2, "sound.xml", ("--cpus", "x"), "list of CPUs"),
        (2, "sound.xml", ("--cpus", "4095"), "4095"),
        (2, "sound.xml", ("--trials", "0"), "--trials"),
        (2, "sound.xml", ("--tolerance", "-1"), "--tolerance"),
        (2, "sound.xml", ("--storage", "nonsense"), "storage URL"),
        (2, "sound.xml", ("--storage", "foo://x", "--fresh"), "storage URL foo://x"),
        (5, "sound.xml", ("--storage", "sqlite:////nowhere/x.db", "--resume"), "/nowhere"),
        (2, "sound.xml", ("--space", "gone"), "no space 'gone'"),
        (2, "sound.xml", ("--space", "space.yaml"), "num_streams"),
        (2, "sound.xml", ("--space", "yaml.yaml"), "yaml.yaml"),
        (2, "sound.xml", ("--baseline", "gone.yaml"), "gone.yaml"),
        (2, "sound.xml", ("--data", "gone.npz"), "gone.npz"),
        (2, "sound.xml", ("--data", "text.txt"), "text.txt"),
        (2, "sound.xml", ("--allow-precision", "f8"), "no precision 'f8'"),
        (2, "sound.xml", ("--resume", "--fresh"), "--resume and --fresh"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_one_sentence(
    code: int, model: str, options: tuple[str, ...], words: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear sentence on stderr, the exit code of its kind, no trace, and nothing written."""
    monkeypatch.chdir(models)
    before = {path.name: path.read_bytes() for path in models.iterdir()}
    found, out, err = autotp("tune", model, *options)
    assert (found, out) == (code, "")
    assert err.startswith("autotp: ")
    assert err.count("\n") == 1
    assert words in err
    assert {path.name: path.read_bytes() for path in models.iterdir()} == before
