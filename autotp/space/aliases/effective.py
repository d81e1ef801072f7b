"""What an effective config is: one type for who predicts it, who observes it, and who reads it from a tuned.yaml.

It stands apart from the prediction, which calculates with NumPy: reading a file needs none of that.
"""

import msgspec


class Effective(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What OpenVINO does with a config: counts per process, None where it isn't known."""

    streams: int | None = None
    threads: int | None = None
    sub_streams: int | None = None
    split_nodes: int | None = None
    requests: int | None = None
    precision: str | None = None
    pinned: bool | None = None
