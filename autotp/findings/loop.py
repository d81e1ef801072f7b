"""How requests were issued, as tuned.yaml has it under `workload.kind`."""

from enum import StrEnum


class Loop(StrEnum):
    """How requests are issued: one after the other, `nireq` kept in flight, at a rate, or token by token."""

    SYNC = "sync"
    ASYNC = "async"
    OPEN = "open"
    GENERATE = "generate"
