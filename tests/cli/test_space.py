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


@pytest.mark.parametrize("allowed", ["4-7", "2-5"])
@pytest.mark.parametrize("command", ["space", "probe", "health"])
def test_the_cpus_of_a_mask_beyond_the_list_are_the_machine(tmp_path: Path, command: str, allowed: str) -> None:
    """Where a container numbers its CPUs anew, the machine is described by those that the process runs on."""
    root = build(Described(cores_per_node=8), tmp_path)
    (root / "sys/devices/system/cpu/online").write_text("0-3\n")
    (root / "proc/self/status").write_text(f"Cpus_allowed_list:\t{allowed}\n")
    code, out, err = autotp(command, "--json", "--sysroot", str(root))
    assert (code, err) == (0, "")
    found = json.loads(out)
    first = int(allowed[0])
    if command == "probe":
        assert (found["logical_cpus"], found["envelope"]["cpus"]) == (4, list(range(first, first + 4)))
    elif command == "health":
        assert f"CPUs {allowed}," in found["advice"][0]["seen"]
    else:
        (streams,) = (knob["values"] for knob in found["knobs"] if knob["name"] == "num_streams")
        assert max(value for value in streams if isinstance(value, int)) == 4
