"""What is asked of a worker before anything is measured: here how long a prompt may be."""

from pathlib import Path

import pytest

from autotp.errors import EnvironmentFailure
from autotp.measuring import preparation, with_prompt
from autotp.measuring.parent.pool import Workers
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.workload import Workload
from autotp.runtime import ModelFiles, ModelKind, locate
from tests.support.language_models import language_model

OPEN = Workload(generation=Generation(new_tokens=64))


@pytest.mark.parametrize(("context", "tokens"), [(None, 1024), (1000, 512), (575, 256), (192, 128)])
def test_the_longest_prompt_that_is_read_in_time(
    tmp_path: Path, workers: Workers, context: int | None, tokens: int
) -> None:
    """A small model reads 1024 tokens in half a second; with the new ones they must fit into its context."""
    files = locate(language_model(tmp_path, context=context))
    assert with_prompt(workers, files, OPEN).prompt_tokens == tokens


def test_the_shortest_where_none_is(tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model too slow for any of them gets the shortest: it has to be measured all the same."""
    monkeypatch.setattr(preparation, "PROMPT_WITHIN_S", 0.0)
    assert with_prompt(workers, locate(language_model(tmp_path)), OPEN).prompt_tokens == 128


def test_what_is_known_is_not_chosen(workers: Workers) -> None:
    """A length that was asked for stays, and another model has none; neither is started."""
    gone = ModelFiles(Path("gone.xml"), ModelKind.LLM)
    asked = OPEN.prompted(77)
    assert with_prompt(workers, gone, asked) is asked
    assert with_prompt(workers, gone, Workload()) == Workload()


def test_a_hint_that_cannot_run_is_told(tmp_path: Path, workers: Workers) -> None:
    """As the baseline couldn't, either."""
    files = locate(language_model(tmp_path))
    files.path.write_text('<net name="beam_idx" type="ReadValue"/>')
    with pytest.raises(EnvironmentFailure, match="OpenVINO's own hint failed here"):
        with_prompt(workers, files, OPEN)
