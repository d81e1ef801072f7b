"""Whether tensor parallelism took effect, as it is kept in studies and in tuned.yaml."""

from enum import StrEnum

import msgspec


class ProofState(StrEnum):
    """`active`: took effect; `capped`: in part; `inert`: did nothing."""

    ACTIVE = "active"
    CAPPED = "capped"
    INERT = "inert"


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The evidence: sub-streams seen, threads with the policy and without, and what the threads did.

    `caller_sleeps` is how often the thread that asks for an inference slept in it, with the policy; `busy_cpus`
    are the CPUs on which threads were seen at work.
    """

    state: ProofState
    sub_streams: int
    threads: int
    threads_without: int
    busy_threads: int | None = None
    busy_cpus: str | None = None
    caller_sleeps: float | None = None
