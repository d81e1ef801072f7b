"""What commands print."""

import json
from pathlib import Path

import pytest

from autotp.cli.terminal.output import echo_json
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.tuning.events import TuningBegan


def test_a_name_that_is_not_utf_8_is_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is UTF-8: whatever isn't is shown as an escape, in values, keys and lists."""
    echo_json({"b\udce4d": ["é", Path("b\udce4d"), 1, None]})
    assert json.loads(capsys.readouterr().out) == {"b\\udce4d": ["é", "b\\udce4d", 1, None]}


def test_an_event_with_a_path_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The file of a workload's inputs is printed as text."""
    event = TuningBegan(
        study="s",
        out="out",
        budget_s=1.0,
        configs=1,
        effective_configs=1,
        dropped=(),
        advice=(),
        workload=ClosedLoop(data=Path("inputs/real.npz")),
    )
    echo_json(event)
    assert json.loads(capsys.readouterr().out)["workload"]["data"] == str(Path("inputs/real.npz"))
