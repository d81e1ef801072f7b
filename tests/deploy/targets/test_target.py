"""The ways to deploy: which there are, what each can do, and what it takes to add one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotp.deploy import targets as package
from autotp.deploy.targets.registry import targets, ways_to_deploy
from autotp.deploy.tuned import Profile, Tuned, TunedWorkload
from autotp.runtime.models.language import Attention
from tests.support.tuned_files import profile, tuned

BINDING: tuple[dict[str, Any], tuple[str, ...]] = ({"numa_nodes": 1}, ("0-1",))
ADDED = '''
"""A way to deploy that nobody else knows of."""

from autotp.deploy.targets.target import Target


class Pigeon(Target):
    """By pigeon."""

    name = "pigeon"
    order = 9

    def why_not(self, tuned, profile):
        return "pigeons carry one process" if len(profile.affinity or ()) > 1 else None

    def instructions(self, tuned, profile):
        return "a pigeon"


TARGET = Pigeon()
'''


def file_of(
    settings: dict[str, Any] | None = None,
    affinity: tuple[str, ...] | None = None,
    backend: Attention | None = None,
) -> tuple[Tuned, Profile]:
    """A file that ships `settings`, of a language model with `backend`, and its profile."""
    workload = TunedWorkload(kind="sync", nireq=1, attention_backend=backend)
    content = tuned(profile(settings or {}, affinity=affinity), workload=workload)
    return content, content.profiles[0]


def able(*file: Any) -> list[str]:
    """The names of the targets that can deploy a file."""
    return [target.name for target in targets() if target.why_not(*file) is None]


def test_the_first_is_load() -> None:
    """What autotp can deploy itself is recommended first; names and places are unique."""
    assert [target.name for target in targets()][:3] == ["load", "genai", "compile_model"]
    for facts in ("name", "order"):
        assert len({getattr(target, facts) for target in targets()}) == len(targets())


@pytest.mark.parametrize(
    ("file", "names"),
    [
        (file_of(), ["load", "compile_model"]),
        (file_of(*BINDING), ["load"]),
        (file_of({"split_count": 2}), ["load"]),
        (file_of(backend=Attention.SDPA), ["load", "genai"]),
        (file_of({"split_count": 2}, backend=Attention.SDPA), ["load"]),
        (file_of(backend=Attention.PA), ["genai"]),
        (file_of({"instances": 2}, ("0", "1"), Attention.PA), ["genai"]),
    ],
    ids=["plain", "bound", "split", "language", "split language", "paged", "paged instances"],
)
def test_each_says_whether_it_can(file: tuple[Tuned, Profile], names: list[str]) -> None:
    """Properties alone are for what they are all of, paged attention for GenAI; others say why they can't."""
    assert able(*file) == names
    refusing = [target for target in targets() if target.name not in names]
    assert all(target.why_not(*file) for target in refusing)


@pytest.mark.parametrize(
    ("config", "affinity", "words"),
    [
        ({}, None, 'autotp.load("tuned.yaml"), or the properties below with compile_model'),
        (
            {"split_count": 2},
            None,
            'autotp.load("tuned.yaml"), which splits the graph; the properties below alone do not',
        ),
        (*BINDING, "which binds the process to CPUs 0-1; the properties below alone do not"),
        (
            {"instances": 2},
            ("0", "1"),
            '2 processes, each autotp.load("tuned.yaml", instance=I) with I from 0, which binds each to its own',
        ),
        ({"numa_nodes": 1, "split_count": 2}, ("3",), "binds the process to CPUs 3 and splits the graph;"),
    ],
    ids=["properties", "graph", "cpus", "instances", "both"],
)
def test_instructions_say_what_properties_alone_do_not(
    config: dict[str, Any], affinity: tuple[str, ...] | None, words: str
) -> None:
    """CPUs and splits in the graph are what `load` does beyond them."""
    assert words in ways_to_deploy(*file_of(config, affinity))


@pytest.mark.parametrize(
    ("config", "affinity", "words"),
    [
        ({}, None, "the properties below with OpenVINO GenAI's LLMPipeline and ATTENTION_BACKEND=PA"),
        (*BINDING, "ATTENTION_BACKEND=PA, in a process bound to CPUs 0-1"),
        ({"instances": 2}, ("0", "1"), "PA, in 2 processes, each bound to the CPUs of its line of `affinity`"),
        ({"split_count": 2}, None, "the properties below and what `autotp split` writes with OpenVINO GenAI's"),
    ],
    ids=["properties", "cpus", "instances", "graph"],
)
def test_paged_attention_is_deployed_by_genai(
    config: dict[str, Any], affinity: tuple[str, ...] | None, words: str
) -> None:
    """Which loads what autotp doesn't."""
    text = ways_to_deploy(*file_of(config, affinity, Attention.PA))
    assert words in text
    assert "autotp.load" not in text


@pytest.fixture
def _pigeon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more module beside those of the package."""
    (tmp_path / "pigeon.py").write_text(ADDED)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    targets.cache_clear()
    yield
    targets.cache_clear()


@pytest.mark.usefixtures("_pigeon")
def test_a_target_is_one_file() -> None:
    """A module in the folder is enough: it is found, and its instructions are quoted."""
    assert able(*file_of()) == ["load", "compile_model", "pigeon"]
    assert ways_to_deploy(*file_of()).endswith("with compile_model, or a pigeon")
    assert "pigeon" not in ways_to_deploy(*file_of({"instances": 2}, ("0", "1")))
