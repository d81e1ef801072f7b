"""The proof that a split took effect, judged by threads."""

import pytest

from autotp.measure.proof import ProofState, prove_split


@pytest.mark.parametrize(
    ("threads", "threads_without", "sockets", "state", "sub_streams"),
    [
        (16, 8, 2, ProofState.ACTIVE, 2),
        (2, 1, 2, ProofState.ACTIVE, 2),
        (12, 4, 3, ProofState.ACTIVE, 3),
        (64, 48, 2, ProofState.CAPPED, 2),
        (8, 8, 2, ProofState.INERT, 1),
        (4, 8, 2, ProofState.INERT, 1),
        (16, 8, 1, ProofState.INERT, 1),
    ],
)
def test_threads_tell_whether_a_split_took_effect(
    threads: int, threads_without: int, sockets: int, state: ProofState, sub_streams: int
) -> None:
    """All sockets' threads prove it, more than without are a part of it, none more or one socket are nothing."""
    proof = prove_split(threads, threads_without, sockets)
    assert (proof.state, proof.sub_streams) == (state, sub_streams)
    assert (proof.threads, proof.threads_without) == (threads, threads_without)
