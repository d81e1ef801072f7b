"""A worker that rounds too much: the real one, but with `LOSSY_REQUESTS` each output is off by half its size.

Whatever OpenVINO rounds to on one machine may be as good as its hints; this is worse than them on any. Put its
name in the place of the worker's own: `autotp.measuring.parent.pool.ENTRY = "tests.support.lossy"`.
"""

import itertools
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import numpy as np

from autotp.measuring.child import worker
from autotp.measuring.outputs.error import OutputError, compare_outputs
from autotp.measuring.outputs.reference import NamedOutputs
from autotp.measuring.protocol import Compile, decode_request

LOSSY_REQUESTS = 7
LOSS = 0.5  # of an output's size


def main(request_end: int, reply_end: int) -> None:
    """Serve as a worker does, with a loss where that is asked for."""
    with open(request_end, "rb") as pipe, open(reply_end, "wb") as replies:
        first = pipe.readline()
        request = decode_request(first)
        if isinstance(request, Compile) and request.plan.nireq == LOSSY_REQUESTS:
            vars(worker)[compare_outputs.__name__] = _compare_lossy
        worker.serve(cast(Any, itertools.chain([first], pipe)), replies)


def _compare_lossy(path: Path, outputs: NamedOutputs, deciding: Collection[str] | None) -> OutputError:
    return compare_outputs(path, [{name: _lossy(array) for name, array in s.items()} for s in outputs], deciding)


def _lossy(array: Any) -> Any:
    if not np.issubdtype(array.dtype, np.floating):
        return array
    return array + array.dtype.type(LOSS * float(np.max(np.abs(array), initial=0.0)))
