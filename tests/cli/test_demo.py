"""`autotp demo`."""

import subprocess
import sys
from pathlib import Path

from autotp.deploy.tuned import read_tuned


def test_the_demo_builds_tunes_and_writes(tmp_path: Path) -> None:
    """In an empty folder it makes its model and results/demo/tuned.yaml; saying UNKNOWN is fine, too."""
    argv = [sys.executable, "-m", "autotp", "demo", "--budget", "1s"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    tuned = read_tuned(tmp_path / "results" / "demo" / "tuned.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "UNKNOWN: " in done.stdout
    assert tuned.model.path == "demo.xml"
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
