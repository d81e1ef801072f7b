"""What the README shows is what the project does."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from autotp.cli import COMMANDS, cli
from autotp.files import parse_yaml
from autotp.space import parse_space
from tests.evidence.quote_outcomes import with_outcomes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMAND_LINES = re.findall(rf"(?:`|^ {{4}})(autotp (?:{'|'.join(COMMANDS)})\b[^`\n]*)", README, re.M)


def test_two_commands_come_first() -> None:
    """After its one sentence the README's first fenced block is the two commands, one line each."""
    opening = re.match(r"# autotp\n\n(?P<sentence>.+)\n\n```bash\n(?P<commands>.+?)```", README, re.S)
    assert opening is not None
    assert opening["sentence"].count(".") == 1
    demo, tests = opening["commands"].strip().splitlines()
    assert demo.endswith("autotp demo")
    assert tests.endswith("-m pytest -q")


def test_figures_are_the_committed_outcomes() -> None:
    """Every transcript, file and figure from a run is what `results/reference/` holds, to the letter."""
    assert with_outcomes(README) == README


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_commands_exist_with_their_flags(line: str) -> None:
    """Every command line in the README names a command and flags that exist."""
    _, name, *words = shlex.split(line)
    help_text = CliRunner().invoke(cli, [name, "--help"]).output
    flags = [word.split("=")[0] for word in words if word.startswith("--")]
    assert all(flag in help_text for flag in flags), flags


def test_example_space_is_valid() -> None:
    """The space that the README shows parses."""
    example = re.search(r"```yaml\n(name: mine\n.*?)```", README, re.S)
    assert example is not None
    assert parse_space(parse_yaml(example[1], "README"), "README").name == "mine"
