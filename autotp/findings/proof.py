"""The proof whether tensor parallelism took effect, as studies and tuned.yaml store it."""

from enum import StrEnum

import msgspec


class ProofState(StrEnum):
    """`active`: it took effect; `capped`: only in part; `inert`: it did nothing."""

    ACTIVE = "active"
    CAPPED = "capped"
    INERT = "inert"


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What was observed: sub-streams, the threads with the policy and without it, and what the threads did.

    Attributes:
        state: the conclusion.
        sub_streams: how many were seen at work.
        threads: OpenVINO's threads with the policy.
        threads_without: its threads with the same config but no policy.
        busy_threads: how many threads had a CPU for at least 1 % of the time.
        busy_cpus: the CPUs on which they ran, as a list such as `0-15`.
        caller_sleeps: how often the thread that calls `infer` went to sleep per inference, with the policy.
    """

    state: ProofState
    sub_streams: int
    threads: int
    threads_without: int
    busy_threads: int | None = None
    busy_cpus: str | None = None
    caller_sleeps: float | None = None
