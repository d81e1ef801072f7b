"""Requests for a tuning."""

from pathlib import Path
from typing import Any

from autotp.tuning.request import TuneRequest, build_request


def built(model: Path, **given: Any) -> TuneRequest:
    """The request to tune `model` for throughput in the default space, but for what is `given`."""
    options: Any = {"objectives": ("throughput",), "space": "default", **given}
    return build_request(model, options)
