"""`autotp space`."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import autotp
from tests.support.trees import Described, build


def test_json_counts_and_explains(tmp_path: Path) -> None:
    """One object: knobs, counts, what was dropped; with --explain each effective config."""
    root = str(build(Described(cores_per_node=2), tmp_path))
    code, out, err = autotp("space", "--json", "--sysroot", root)
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert set(found) == {"name", "knobs", "configs", "effective_configs", "dropped"}
    assert found["name"] == "default"
    assert found["configs"] >= found["effective_configs"] > 1
    assert [drop["what"] for drop in found["dropped"]] == ["distribution_policy=tensor_parallel"]
    explained = json.loads(autotp("space", "--json", "--explain", "--sysroot", root)[1])
    assert len(explained["effective"]) == found["effective_configs"]


@pytest.mark.parametrize("name", ["default", "throughput", "latency", "tensor_parallel"])
def test_every_space_that_comes_along_is_shown(
    name: str,
    tmp_path: Path,
) -> None:
    """Each named space binds to a two-socket machine, with configs that may differ."""
    code, out, _ = autotp("space", name, "--sysroot", str(build(Described(sockets=2), tmp_path)))
    assert code == 0
    assert f"space {name}" in out
    assert "configs" in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("knobs: {num_streams: [0]}", "num_streams"),
        ("knobs: {nstreams: [1]}", "nstreams"),
        ("knobs: {num_streams: []}", "num_streams"),
        ("knobs: {}", "knobs"),
        ("name: x", "knobs"),
        ("knobs: {num_streams: [1]}\nextra: 1", "extra"),
        ("knobs: [", "YAML"),
        (
            "knobs: {num_streams: {values: [1], when: {nireq: 1}}, nireq: {values: [1], when: {num_streams: 1}}}",
            "",
        ),
    ],
)
def test_a_broken_space_is_bad_input(
    text: str,
    words: str,
    tmp_path: Path,
) -> None:
    """One sentence that names the file and what is wrong in it, exit code 2."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    code, out, err = autotp("space", str(path))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
