"""A tuning by the command line that ran to its end, and its trials."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from autotp.deploy.tuned import read_tuned

TUNE = (sys.executable, "-m", "autotp", "tune")
EXIT_CODES = {"win": 0, "tie": 0, "unknown": 3}


def trials_of(folder: Path, name: str) -> list[FrozenTrial]:
    """The trials of the study `name` in `folder`."""
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder / 'study.db'}").trials


class Done:
    """A tuning of `model` that ran to its end: its folder, its exit code, its lines."""

    def __init__(self, model: Path, out: Path, *asked: str) -> None:
        self.model, self.out = model, out
        options = ("--trials", "2", "--json", "--out", str(out))
        process = subprocess.run([*TUNE, str(model), *options, *asked], capture_output=True, text=True)
        self.code, self.err = process.returncode, process.stderr
        self.events: list[dict[str, Any]] = [json.loads(line) for line in process.stdout.splitlines()]
        self.tuned = read_tuned(self.out / "tuned.yaml")
