"""How requests were issued, as tuned.yaml has it under `workload.kind`."""

from enum import StrEnum


class Loop(StrEnum):
    """How requests are issued: one after the other, `nireq` kept in flight, at a rate, or token by token."""

    SYNC = "sync"
    ASYNC = "async"
    OPEN = "open"
    GENERATE = "generate"

    @classmethod
    def of(cls, nireq: int | None, rate_per_s: float | None = None) -> "Loop":
        """Return the loop for `nireq` requests (None: OpenVINO's optimum); a single one is run synchronously."""
        if rate_per_s is not None:
            return cls.OPEN
        return cls.SYNC if nireq == 1 else cls.ASYNC
