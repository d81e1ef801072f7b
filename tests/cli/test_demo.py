"""`autotp demo`."""

import re
import subprocess
import sys
from pathlib import Path

from autotp.cli.demo import gains_here
from autotp.deploy.headline import headline
from autotp.deploy.tuned import Result, TunedBaseline, read_tuned, write_tuned
from autotp.findings.interval import Interval
from autotp.findings.ruling import Ruling
from autotp.runtime.models.demo import ABOUT
from tests.support.tuned_files import profile, tuned


def test_the_demo_builds_tunes_and_writes(tmp_path: Path) -> None:
    """In an empty folder it makes its model and results/demo/tuned.yaml, whatever the verdict."""
    argv = [sys.executable, "-m", "autotp", "demo", "--budget", "1s"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = read_tuned(tmp_path / "results" / "demo" / "tuned.yaml")
    assert done.returncode == 3
    assert re.fullmatch(r"budget    1 s is too short: .*: --budget [0-9]+[sm]\n", done.stderr)
    assert ABOUT in done.stdout
    assert "UNKNOWN: " in done.stdout
    assert found.model.path == "demo.xml"
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_win_says_what_its_settings_gain(tmp_path: Path) -> None:
    """Each setting that ships and may gain something is named, only after a WIN; a single stream gains nothing."""
    gains = {"nireq": "no idle stream", "num_streams": "no waiting"}
    settings = {"nireq": 4, "num_streams": 1, "inference_precision_hint": "f32"}
    baseline = TunedBaseline(config={"performance_hint": "latency"})
    for ruling, lines in ((Ruling.WIN, ["     nireq: no idle stream."]), (Ruling.TIE, [])):
        result = Result(verdict=ruling, gain=Interval(median=1.2, low=1.1, high=1.3), baseline=baseline)
        content = tuned(profile(settings, result=result))
        write_tuned(tmp_path / "tuned.yaml", content, headline(content))
        assert gains_here(tmp_path / "tuned.yaml", gains) == lines
