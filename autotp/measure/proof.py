"""Proof that tensor parallelism took effect, from threads; never from the property, which OpenVINO echoes.

OpenVINO reports MODEL_DISTRIBUTION_POLICY as asked for even where it does nothing. What it can't fake is the
threads of the compiled model: sub-streams bring more of them than the same config has without the policy.
"""

from enum import StrEnum

import msgspec


class ProofState(StrEnum):
    """`active`: took effect; `capped`: in part; `inert`: did nothing."""

    ACTIVE = "active"
    CAPPED = "capped"
    INERT = "inert"


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The evidence: sub-streams that the threads stand for, threads with the policy and without."""

    state: ProofState
    sub_streams: int
    threads: int
    threads_without: int


def prove_split(threads: int, threads_without: int, sockets: int) -> Proof:
    """Judge a tensor-parallel compile on a mask that spans `sockets` sockets.

    Args:
        threads: threads of the compiled model with the policy.
        threads_without: threads of the same config under the same mask without it: those of one socket.
        sockets: sockets that the mask spans, so the sub-streams to expect.
    """
    if threads <= threads_without or sockets < 2:
        return Proof(state=ProofState.INERT, sub_streams=1, threads=threads, threads_without=threads_without)
    whole = threads >= sockets * threads_without
    return Proof(
        state=ProofState.ACTIVE if whole else ProofState.CAPPED,
        sub_streams=sockets,
        threads=threads,
        threads_without=threads_without,
    )
