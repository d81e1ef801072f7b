"""Requests for a tuning."""

from pathlib import Path
from typing import Any

from autotp.measuring import Asked
from autotp.tuning.request import TuneRequest, build_request


def built(model: Path, **given: Any) -> TuneRequest:
    """The request for `model` with the command line's defaults, but for what is `given`."""
    defaults: dict[str, Any] = {
        "objectives": ("throughput",),
        "constraints": (),
        "space": "default",
        "fix": {},
        "baseline": None,
        "budget_s": 300.0,
        "allow_precision": (),
        "out": None,
        "study": None,
        "asked": Asked(),
    }
    return build_request(model, **{**defaults, **given})
