"""The effective config: one type for prediction, observation after a compile, and tuned.yaml.

It is a module of its own because reading a file needs no NumPy, but prediction does.
"""

import msgspec


class Effective(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What OpenVINO really does with a config, per process; None means unknown."""

    streams: int | None = None
    threads: int | None = None
    sub_streams: int | None = None
    split_nodes: int | None = None
    requests: int | None = None
    precision: str | None = None
    pinned: bool | None = None
