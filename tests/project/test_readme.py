"""What the README and the other pages say is what the project does."""

import re
import shlex
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import msgspec
import pytest

import autotp
from autotp.cli import COMMANDS, cli
from autotp.deploy.tuned import Tuned
from autotp.errors import AutotpError
from autotp.files.yaml_loader import parse_yaml
from autotp.findings.metric import METRICS
from autotp.space.knobs.table import KNOBS, Word
from autotp.space.schema.space_file import named_spaces, parse_space
from autotp.tuning.events import Event
from tests.evidence.quote_outcomes import PAGES, Page

ROOT = Path(__file__).parents[2]
FOLDERS = ("*.md", "search_spaces/*.md", "autotp/**/*.md", "results/reference/*.md")
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text() for pattern in FOLDERS for path in sorted(ROOT.glob(pattern))
}
EVERYWHERE = "\n".join(TEXTS.values())
README, SPACES, FILE = (
    TEXTS[name] for name in ("README.md", "search_spaces/README.md", "autotp/deploy/README.md")
)
MOST_README_BYTES = 12_000

NAMES = "|".join(COMMANDS)
COMMAND_LINES = sorted(set(re.findall(rf"(?:`|^ {{4}}|^\$ )(autotp (?:{NAMES})\b[^`\n]*)", EVERYWHERE, re.M)))
LONE_FLAGS = sorted(set(re.findall(r"`(--[a-z][a-z-]*)[^`]*`", EVERYWHERE)))
PYTHON = re.findall(r"```python\n(.*?)```", EVERYWHERE, re.S)
EXAMPLE_SPACES = re.findall(r"```yaml\n(name: .*?)```", EVERYWHERE, re.S)
EXITS_WITHOUT_ERROR = {0, 1, 70, 129, 130, 143}  # done, the answer is no, a bug, stopped


def flags_of(name: str) -> set[str]:
    """The flags of a command."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    params = command.get_params(click.Context(command))
    return {flag for param in params for flag in param.opts}


def keys_of(kind: Any, prefix: str = "") -> Iterator[str]:
    """The keys of the file that `kind` stands for, with dots between levels.

    What a point of the front holds is explained where the file itself has it.
    """
    for field in msgspec.structs.fields(kind):
        is_explained = field.name == "profiles" or prefix == "pareto."
        nested = [] if is_explained else structs_of(field.type)
        if not nested:
            yield prefix + field.name
        for one in nested:
            yield from keys_of(one, f"{prefix}{field.name}.")
        if field.name == "proof" and nested:
            yield prefix + field.name


def structs_of(annotation: Any) -> list[Any]:
    """The structs that a value of this type is or holds in a list; those of a mapping's values are left out."""
    origin = get_origin(annotation)
    if origin in (types.UnionType, tuple):
        return [struct for part in get_args(annotation) for struct in structs_of(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct) else []


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def first_cells(text: str) -> list[str]:
    """What stands between backticks in the first column of tables."""
    return re.findall(r"^\| `([^`]+)` \|", text, re.M)


def test_two_commands_come_first() -> None:
    """After its one sentence the README's first fenced block is the two commands, one line each."""
    opening = re.match(r"# autotp\n\n(?P<sentence>.+)\n\n```bash\n(?P<commands>.+?)```", README, re.S)
    assert opening is not None
    assert opening["sentence"].count(".") == 1
    demo, tests = opening["commands"].strip().splitlines()
    assert demo.endswith("autotp demo")
    assert tests.endswith("-m pytest -q")


def test_readme_is_short() -> None:
    """The README is one page; what is longer has a page of its own."""
    assert len(README.encode()) <= MOST_README_BYTES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_figures_are_the_committed_outcomes(page: Page) -> None:
    """Every transcript, file and figure from a run is what `results/reference/` holds, to the letter."""
    assert page.written(TEXTS[page.path]) == TEXTS[page.path]


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_commands_exist_with_their_flags(line: str) -> None:
    """Every command line in a page names a command and flags that exist."""
    _, name, *words = shlex.split(line)
    flags = {word.split("=")[0] for word in words if re.match("--?[a-z]", word)}
    assert flags <= flags_of(name)


@pytest.mark.parametrize("flag", LONE_FLAGS)
def test_flags_exist(flag: str) -> None:
    """A flag that is named without a command is one of some command."""
    assert any(flag in flags_of(name) for name in COMMANDS)


@pytest.mark.parametrize("text", EXAMPLE_SPACES)
def test_example_spaces_are_valid(text: str) -> None:
    """A space that a page shows parses."""
    assert parse_space(parse_yaml(text, "a page"), "a page").name == "mine"


@pytest.mark.parametrize("code", PYTHON)
def test_python_compiles(code: str) -> None:
    """Python that a page shows is Python."""
    assert compile(code, "a page", "exec").co_filename == "a page"


def test_python_names_exist() -> None:
    """What pages call in `autotp` is there."""
    called = set(re.findall(r"\bautotp\.([a-z_]+)\(", EVERYWHERE)) | set(re.findall(r"`autotp\.([a-z]+)`", README))
    assert called <= set(autotp.__all__)


@pytest.mark.parametrize("name", TEXTS)
def test_links_resolve(name: str) -> None:
    """Every relative link leads to a file or folder of the tree, and its anchor to a heading there."""
    for target, _, anchor in (
        link.partition("#") for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", TEXTS[name])
    ):
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text()), anchor


@pytest.mark.parametrize("name", TEXTS)
def test_paths_exist(name: str) -> None:
    """Every file of the tree that a page names is there, and so is every module that it runs."""
    paths = re.findall(r"`((?:autotp|tests|search_spaces|results/reference)/[\w./]+)`", TEXTS[name])
    modules = re.findall(r"python -m (tests(?:\.\w+)+)", TEXTS[name])
    assert [path for path in paths if not (ROOT / path).exists()] == []
    runnable = [(ROOT / module.replace(".", "/"), module) for module in modules]
    missing = [
        module
        for path, module in runnable
        if not (path.with_suffix(".py").exists() or (path / "__main__.py").exists())
    ]
    assert missing == []


def test_readme_names_all_there_is() -> None:
    """The README names every command, every objective and every space."""
    wanted = [*(f"autotp {name}" for name in COMMANDS), *(f"`{name}`" for name in METRICS), *named_spaces()]
    assert [words for words in wanted if words not in README] == []


def test_page_about_spaces_explains_all_there_is() -> None:
    """The page about search spaces has every word, and says what each knob means that isn't OpenVINO's."""
    assert set(first_cells(SPACES)) >= {*KNOBS, *Word}
    explained = SPACES.partition("Some need an explanation")[2]
    own = [knob.name for knob in KNOBS.values() if knob.property is None]
    assert [name for name in own if f"`{name}`" not in explained] == []


def test_page_about_the_file_has_every_key() -> None:
    """The page about tuned.yaml explains just the keys that the format has."""
    profile = next(field for field in msgspec.structs.fields(Tuned) if field.name == "profiles")
    keys = [*keys_of(Tuned), *(key for kind in structs_of(profile.type) for key in keys_of(kind))]
    described = first_cells(FILE.partition("key by key")[2])
    assert sorted(described) == sorted(keys)


def test_page_about_the_file_has_every_exit_code_and_event() -> None:
    """The page has the exit code of every kind of error, and every event that `--json` prints."""
    codes = {AutotpError.exit_code} | {kind.exit_code for kind in AutotpError.__subclasses__()}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", FILE, re.M)} == codes | EXITS_WITHOUT_ERROR
    events = [event.__struct_config__.tag for event in Event.__subclasses__()]
    assert [event for event in events if f"`{event}`" not in FILE] == []
