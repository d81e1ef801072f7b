"""What commands print."""

import json
from pathlib import Path

import pytest

from autotp.cli.output import echo_json
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.tuning.events import TuningBegan


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
