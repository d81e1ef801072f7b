"""Folders of files as a recording of a machine has them."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write each file below `root`, which is returned; `proc` and `sys` are there in any case."""
    for name in ("proc", "sys"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def in_memory() -> tempfile.TemporaryDirectory[str]:
    """A folder for thousands of small files, on a disk only where there is no other place."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
