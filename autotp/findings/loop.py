"""How requests are issued: the value of `workload.kind` in tuned.yaml."""

from enum import StrEnum


class Loop(StrEnum):
    """One request after the other, `nireq` kept in flight, at a fixed rate (open loop), or token by token."""

    SYNC = "sync"
    ASYNC = "async"
    OPEN = "open"
    GENERATE = "generate"
