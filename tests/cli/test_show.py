"""`autotp show`."""

import json
from pathlib import Path

import msgspec
import pytest

from autotp.deploy.headline import headline
from autotp.deploy.tuned import read_tuned, write_tuned
from autotp.findings.ruling import Ruling
from autotp.runtime.models.language import Attention
from autotp.topology.probe import probe
from autotp.tuning.result.tuned_content import build_tuned
from tests.support.command_line import autotp
from tests.support.trees import Described, build
from tests.support.tuning_results import VERSIONS, evidence, request_in


@pytest.fixture
def tuned_here(tmp_path: Path) -> Path:
    """A WIN found on this machine."""
    return tuned_on(tmp_path, None)


def tuned_on(folder: Path, sysroot: Path | None) -> Path:
    """The tuned.yaml of a WIN found on the live or a recorded machine."""
    request = request_in(folder)
    path, tuned = request.out / "tuned.yaml", build_tuned(request, probe(sysroot), evidence(Ruling.WIN), VERSIONS)
    write_tuned(path, tuned, headline(tuned))
    return path


def test_it_says_what_was_found_and_applies_here(
    tuned_here: Path,
) -> None:
    """The verdict in words, then the properties that a load would apply."""
    code, out, err = autotp("show", str(tuned_here))
    assert (code, err) == (0, "")
    assert "WIN: 1.84 times as fast in throughput as OpenVINO's best hint (performance_hint=throughput)." in out
    assert "here it would be applied" in out
    assert "INFERENCE_PRECISION_HINT=f32" in out


def test_json_holds_file_decision_and_properties(
    tuned_here: Path,
) -> None:
    """One object for programs."""
    found = json.loads(autotp("show", str(tuned_here), "--json")[1])
    assert set(found) == {"tuned", "decision", "properties"}
    assert found["decision"]["applied"] is True
    assert found["properties"] == {"INFERENCE_PRECISION_HINT": "f32"}


def test_on_another_machine_it_names_the_fallback(tmp_path: Path) -> None:
    """What was tuned elsewhere isn't applied: the hint is, and what differs is listed."""
    elsewhere = tuned_on(tmp_path, build(Described(sockets=4, cores_per_node=4), tmp_path / "machine"))
    code, out, _ = autotp("show", str(elsewhere))
    assert code == 0
    assert "would be applied instead" in out
    assert "PERFORMANCE_HINT=THROUGHPUT" in out
    assert "differs: sockets: tuned 4" in out


def test_without_its_model_nothing_would_be_applied(tuned_here: Path, tmp_path: Path) -> None:
    """autotp.load refuses the file unless the caller passes the model's path, and `show` says so."""
    moved = tmp_path / "away" / "tuned.yaml"
    moved.parent.mkdir()
    moved.write_text(tuned_here.read_text())
    code, out, _ = autotp("show", str(moved))
    assert code == 0
    assert "autotp.load would apply nothing unless it's given the model's path" in " ".join(out.split())
    assert json.loads(autotp("show", str(moved), "--json")[1])["properties"] is None


def test_a_file_for_paged_attention_would_be_refused(tuned_here: Path) -> None:
    """autotp.load can't run paged attention, also on the machine that it was tuned on, and `show` says so."""
    found = read_tuned(tuned_here)
    workload = msgspec.structs.replace(found.workload, attention_backend=Attention.PA)
    paged = msgspec.structs.replace(found, workload=workload)
    write_tuned(tuned_here, paged, headline(paged))
    code, out, _ = autotp("show", str(tuned_here))
    assert code == 0
    assert "here autotp.load would refuse this file: it was tuned with paged attention" in " ".join(out.split())
    assert "would be applied" not in out
    shown = json.loads(autotp("show", str(tuned_here), "--json")[1])
    assert (shown["decision"]["applied"], shown["properties"]) == (False, None)
    assert shown["decision"]["reason"].startswith("it was tuned with paged attention")


def test_a_file_of_the_first_release_is_shown() -> None:
    """Keys that came later aren't needed."""
    path = Path(__file__).parents[1] / "deploy" / "data" / "tuned-0.1.yaml"
    code, out, err = autotp("show", str(path))
    assert (code, err) == (0, "")
    assert "WIN: 1.045 times as fast in second_token_latency" in out


def test_what_is_no_tuned_file_is_bad_input(tmp_path: Path) -> None:
    """A missing file, another file: one sentence that names it, exit code 2."""
    other = tmp_path / "other.yaml"
    other.write_text("a: 1\n")
    for path in (tmp_path / "gone.yaml", other, tmp_path):
        code, out, err = autotp("show", str(path))
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert str(path) in err
