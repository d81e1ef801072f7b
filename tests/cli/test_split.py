"""`autotp split`."""

import subprocess
import sys
from pathlib import Path

import openvino as ov
import pytest

from tests.support.command_line import autotp
from tests.support.models import matmul_model


def test_a_split_model_is_written(tmp_path: Path) -> None:
    """OpenVINO reads it; the line says how many layers were split and where it is."""
    model, out = matmul_model(tmp_path, width=64), tmp_path / "split.xml"
    code, said, err = autotp("split", str(model), "--count", "2", "--min-weights", "0", "-o", str(out))
    assert (code, err) == (0, "")
    kinds = [node.get_type_name() for node in ov.Core().read_model(out).get_ops()]
    assert said == f"{kinds.count('Concat')} fully connected layer(s) of {model} split into 2 parts each: {out}\n"
    assert kinds.count("MatMul") == 2 * kinds.count("Concat") > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--count", "2"), "no fully connected layer of the model has 6,600,000 weights or more"),
        (("--count", "1"), "--count"),
        (("--count", "65", "--min-weights", "0"), "can't be split into 65"),
        (("--count", "2", "--min-weights", "-1"), "--min-weights"),
    ],
)
def test_what_can_not_be_split_is_one_sentence(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    """Exit code 2, and nothing is written."""
    model, out = matmul_model(tmp_path, width=64), tmp_path / "split.xml"
    code, said, err = autotp("split", str(model), *arguments, "-o", str(out))
    assert (code, said) == (2, "")
    assert sentence in err
    assert not out.exists()


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    """What OpenVINO's libraries log while they try one format after the other isn't shown."""
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    command = [
        sys.executable,
        "-m",
        "autotp",
        "split",
        str(path),
        "--count",
        "2",
        "-o",
        str(tmp_path / "split.xml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"autotp: OpenVINO can't read {path}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_folder_is_not_written_over(suffix: str, tmp_path: Path) -> None:
    """Nor is a half of the model left beside it."""
    model, out = matmul_model(tmp_path, width=64), tmp_path / "split.xml"
    out.with_suffix(suffix).mkdir()
    code, said, err = autotp("split", str(model), "--count", "2", "--min-weights", "0", "-o", str(out))
    assert (code, said) == (2, "")
    assert f"{out.with_suffix(suffix)} is a folder" in err
    assert {path.name for path in tmp_path.glob("split.*")} == {f"split{suffix}"}
