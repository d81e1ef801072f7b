"""A search space as printed."""

from pathlib import Path

from autotp.report.space_table import space_view
from autotp.space.bound_space import bind
from autotp.space.schema.space_file import load_space
from autotp.topology.probe import probe
from tests.support.printed import missing, printed
from tests.support.trees import Described, build


def test_the_space_shows_values_counts_and_reasons(tmp_path: Path) -> None:
    """Values are those bound to this machine; conditions, counts and what was dropped are named."""
    topology = probe(build(Described(sockets=2, cores_per_node=2, smt=2), tmp_path / "machine"))
    bound = bind(load_space("default"), topology)
    census = bound.census()
    found = printed(space_view(bound, census, explain=False))
    words = ["space default", "num_streams", "1, 2, 4", "distribution_policy in tensor_parallel"]
    assert missing([*words, f"{census.configs} configs, {census.effective_configs}"], found) == []
    lines = printed(space_view(bound, census, explain=True)).splitlines()
    assert len(lines) == len(found.splitlines()) + census.effective_configs


def test_what_was_dropped_is_named_with_its_reason(tmp_path: Path) -> None:
    """On one socket the space says why tensor parallelism is out."""
    one = probe(build(Described(cores_per_node=2), tmp_path / "one"))
    bound = bind(load_space("tensor_parallel"), one)
    found = printed(space_view(bound, bound.census(), explain=False))
    assert "dropped distribution_policy=tensor_parallel: this process may use 1 socket(s)" in found
