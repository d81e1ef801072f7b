"""Requests: options are checked before anything is written."""

from pathlib import Path
from typing import Any

import pytest

from autotp.errors import AutotpError, InputError, ModelError, SpaceError
from autotp.findings.metric import METRICS
from autotp.options import Spelling, spelled_for
from autotp.space.knobs.config import Config
from tests.support.language_models import language_model
from tests.support.tune_requests import built


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file that looks like a model; a request only locates it."""
    path = tmp_path / "rec.xml"
    path.write_text("<net/>")
    return path


def test_the_study_is_named_after_model_and_objective(model: Path) -> None:
    """The name defaults to `<model>-<objective>`, the folder to `results/<name>`, the storage lies in it."""
    request = built(model)
    assert (request.name, request.out) == ("rec-throughput", Path("results/rec-throughput"))
    assert request.storage_place == Path("results/rec-throughput/study.db").resolve()


def test_a_folder_model_gives_its_own_name(tmp_path: Path) -> None:
    """The study of `folder/openvino_model.xml` is named after the folder."""
    folder = tmp_path / "llama"
    folder.mkdir()
    (folder / "openvino_model.xml").write_text("<net/>")
    assert built(folder).name == "llama-throughput"
    assert built(folder / "openvino_model.xml").name == "llama-throughput"


def test_a_saved_model_gives_its_folder_s_whole_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dot in the name of a folder begins no suffix; the folder may be the current one."""
    folder = tmp_path / "net_v1.5"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"")
    monkeypatch.chdir(folder)
    for path in (folder, Path(), folder / "saved_model.pb", Path("saved_model.pb")):
        assert built(path).name == "net_v1.5-throughput"


def test_a_link_gives_its_own_name(tmp_path: Path) -> None:
    """A folder or file that is a link, or holds links, gives the name that was given, not what is behind it."""
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1/openvino_model.xml").write_text("<net/>")
    (tmp_path / "current").symlink_to("v1")
    (tmp_path / "latest.xml").symlink_to("v1/openvino_model.xml")
    assert built(tmp_path / "current").name == "current-throughput"
    assert built(tmp_path / "latest.xml").name == "latest-throughput"


def test_models_in_a_hub_s_cache_do_not_share_a_name(tmp_path: Path) -> None:
    """Each is named after its snapshot, also where folders or files in it have the same names."""
    names: list[str] = []
    for revision in ("4f1c", "77aa"):
        snapshot = tmp_path / f"models--org--{revision}" / "snapshots" / revision
        for file in ("openvino_model.xml", "openvino/openvino_model.xml", "onnx/model.onnx"):
            blob = tmp_path / f"{len(names)}"
            blob.write_text("<net/>")
            (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
            (snapshot / file).symlink_to(blob)
            names.append(built(snapshot / file).name)
    found = [
        f"{revision}{inner}-throughput"
        for revision in ("4f1c", "77aa")
        for inner in ("", "-openvino", "-onnx-model")
    ]
    assert names == found


def test_the_current_folder_gives_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.` and a path that goes up behind a link give the name of the folder that they lead to."""
    (tmp_path / "llama/inner").mkdir(parents=True)
    (tmp_path / "llama/openvino_model.xml").write_text("<net/>")
    (tmp_path / "link").symlink_to("llama/inner")
    monkeypatch.chdir(tmp_path / "llama")
    assert built(Path()).name == "llama-throughput"
    assert built(tmp_path / "link/..").name == "llama-throughput"


def test_objectives_keep_their_order_without_repeats(model: Path) -> None:
    """The first objective decides; one named twice counts once."""
    request = built(model, objectives=["latency_p90", "throughput", "latency_p90"])
    assert request.objectives == (METRICS["latency_p90"], METRICS["throughput"])
    assert request.objective is METRICS["latency_p90"]
    assert request.name == "rec-latency_p90-throughput"


def test_names_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    """tuned.yaml and the study hold UTF-8, so a model or a study with another name is bad input, spelled out."""
    folder = tmp_path / "b\udce4d"
    folder.mkdir()
    (folder / "rec.xml").write_text("<net/>")
    with pytest.raises(InputError, match=r"model's path.*b\\udce4d.*isn't UTF-8"):
        built(folder / "rec.xml")
    (tmp_path / "rec.xml").write_text("<net/>")
    with pytest.raises(InputError, match=r"study.*b\\udce4d.*isn't UTF-8"):
        built(tmp_path / "rec.xml", study="b\udce4d")
    (tmp_path / "\udce4.npz").touch()
    with pytest.raises(InputError, match=r"inputs' file.*isn't UTF-8"):
        built(tmp_path / "rec.xml", data=tmp_path / "\udce4.npz")
    assert built(tmp_path / "rec.xml", out=folder).storage_place == folder / "study.db"


def test_own_storage_moves_only_the_storage(model: Path, tmp_path: Path) -> None:
    """`--storage` is where the study lies; the folder stays."""
    request = built(model, out=tmp_path / "out", storage="sqlite:////elsewhere/x.db")
    assert (request.out, request.storage_place) == (tmp_path / "out", "sqlite:////elsewhere/x.db")


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"objectives": ["speed"]}, InputError, "no objective 'speed'"),
        ({"constraints": ["latency_p99=3"]}, InputError, "isn't of the form"),
        ({"space": "nowhere"}, SpaceError, "no space 'nowhere'"),
        ({"fix": {"nstreams": 2}}, SpaceError, "no knob 'nstreams'"),
        ({"fix": {"num_streams": 0}}, SpaceError, "num_streams"),
        ({"baseline": {"nireq": "many"}}, SpaceError, "nireq"),
        ({"budget_s": 0.0}, InputError, "budget"),
        ({"budget_s": float("nan")}, InputError, "budget"),
        ({"budget_s": float("inf")}, InputError, "budget"),
        ({"trials": 0}, InputError, "trials"),
        ({"tolerance": -1.0}, InputError, "tolerance"),
        ({"tolerance": float("nan")}, InputError, "tolerance"),
        ({"allow_precision": ["f8"]}, InputError, "no precision 'f8'"),
        ({"resume": True, "fresh": True}, InputError, "resume and fresh"),
        ({"data": Path("missing.npz")}, InputError, "missing.npz"),
        (
            {"rate_per_s": 10.0, "objectives": ["throughput"]},
            InputError,
            "rate_per_s fixes the throughput; choose a latency objective",
        ),
        ({"rate_per_s": 0.0, "objectives": ["latency_p99"]}, InputError, "rate_per_s must be more than 0"),
        (
            {"rate_per_s": float("nan"), "objectives": ["latency_p99"]},
            InputError,
            "rate_per_s must be more than 0",
        ),
        ({"rate_per_s": 0.1, "objectives": ["latency_p99"]}, InputError, "a budget of 500 s or more"),
        ({"study": "a/b"}, InputError, "'a/b'"),
        ({"study": ".."}, InputError, "folder"),
    ],
)
def test_what_cannot_be_used_is_refused(
    model: Path, given: dict[str, Any], kind: type[AutotpError], words: str
) -> None:
    """Each bad value is an error of its kind whose text names it."""
    with pytest.raises(kind, match=words):
        built(model, **given)


def test_without_an_objective_or_a_space_they_are_the_usual_ones(model: Path, tmp_path: Path) -> None:
    """Throughput in the default space, p99 at a rate; a language model has another objective and space."""
    plain = built(model, objectives=(), space=None)
    assert (plain.objectives, plain.space.name, plain.name) == (
        (METRICS["throughput"],),
        "default",
        "rec-throughput",
    )
    assert built(model, objectives=(), rate_per_s=10.0).objectives == (METRICS["latency_p99"],)
    generates = built(language_model(tmp_path / "toy"), objectives=(), space=None)
    assert (generates.objectives, generates.space.name) == ((METRICS["second_token_latency"],), "language_model")
    assert generates.name == "toy-second_token_latency"


def test_a_person_at_the_command_line_reads_flags(model: Path) -> None:
    """The same errors name an option as it was typed there."""
    with spelled_for(Spelling.COMMAND_LINE):
        with pytest.raises(InputError, match="--rate fixes the throughput"):
            built(model, rate_per_s=10.0)
        with pytest.raises(InputError, match="--resume and --fresh"):
            built(model, resume=True, fresh=True)


def test_how_many_are_in_flight_where_a_config_does_not_say(model: Path) -> None:
    """One request for a latency; for throughput and at a rate, OpenVINO's optimal number."""

    def nireq(config: Config, **given: Any) -> int | None:
        request = built(model, **given)
        return request.workload.nireq(config, request.objectives)

    assert nireq(Config()) is None
    assert nireq(Config(), objectives=["latency_p50"]) == 1
    assert nireq(Config(), objectives=["latency_p50"], rate_per_s=10.0) is None
    assert nireq(Config.of({"nireq": 3})) == 3


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    """The text names the file that isn't there."""
    with pytest.raises(ModelError, match=r"none\.onnx doesn't exist"):
        built(tmp_path / "none.onnx")
