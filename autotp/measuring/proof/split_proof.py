"""Judges from the activity of threads whether tensor parallelism took effect.

OpenVINO reports MODEL_DISTRIBUTION_POLICY as it was set, even if it does nothing. So the activity of the threads
is compared with that of the same config without the policy (`autotp.measuring.child.thread_activity`):

- With sub-streams, the calling thread hands each inference over to them; without, it runs the inference itself.
- Threads are bound to the CPUs of each socket that has a sub-stream. OpenVINO doesn't bind threads on sockets with
  several NUMA nodes, nor to SMT siblings; then the CPUs that the threads were last on count instead. If those
  can't be read, what counts is how many sockets it takes to hold the compiled model's threads, at most 32 on each
  (`src/plugins/intel_cpu/src/cpu_streams_calculation.cpp`).
"""

from collections.abc import Sequence

import msgspec

from autotp.findings.proof import Proof, ProofState
from autotp.measuring.protocol import ThreadActivity
from autotp.space.cpu_plugin.processors import split_places
from autotp.space.cpu_plugin.streams import SUB_STREAM_THREADS
from autotp.space.limits.affinity import sockets_spanned
from autotp.topology.hardware.machine import Machine
from autotp.topology.tree.cpulist import format_cpulist

HANDED_OVER = 0.5  # sleeps of the calling thread per inference: at most 0.08 without sub-streams, 0.9 to 8 with


class SocketCpus(msgspec.Struct, frozen=True, kw_only=True):
    """CPUs of a mask on what OpenVINO takes for one socket, and how many sockets they really span."""

    cpus: frozenset[int]
    cores: int
    sockets: int


class ArmActivity(msgspec.Struct, frozen=True, kw_only=True):
    """The activity of an arm: streams and threads as OpenVINO reports them, and threads as the kernel saw them."""

    streams: int
    threads: int
    seen: ThreadActivity
    hyper_threading: bool = False


def socket_cpus(machine: Machine, mask: Sequence[int]) -> tuple[SocketCpus, ...]:
    """Return the sockets of the CPUs `mask`, each of which could have a sub-stream."""
    core_of = {cpu.id: cpu.core for cpu in machine.cpus}
    return tuple(
        SocketCpus(
            cpus=frozenset(cpus),
            cores=len({core_of[cpu] for cpu in cpus}),
            sockets=len(sockets_spanned(machine, cpus)),
        )
        for cpus in split_places(machine, mask)
    )


def prove_split(activity: ArmActivity, without: ArmActivity, sockets: Sequence[SocketCpus]) -> Proof:
    """Judge a tensor-parallel arm from its activity.

    Args:
        activity: that of the arm.
        without: that of the same config under the same mask without the policy.
        sockets: those of that mask, each of which could have a sub-stream.
    """
    sub_streams = _sub_streams(activity, without, sockets) if _handed_over(activity, without) else 1
    seen = activity.seen
    return Proof(
        state=_state(sub_streams, activity, without, sockets),
        sub_streams=sub_streams,
        threads=activity.threads,
        threads_without=without.threads,
        busy_threads=seen.busy_threads,
        busy_cpus=format_cpulist(sorted({*seen.bound_cpus, *seen.cpu_s})) or None,
        caller_sleeps=round(seen.caller_sleeps, 3),
    )


def _state(
    sub_streams: int, activity: ArmActivity, without: ArmActivity, sockets: Sequence[SocketCpus]
) -> ProofState:
    if sub_streams < 2:
        return ProofState.INERT
    # OpenVINO reports threads that it never starts where a sub-stream takes several nodes or SMT siblings, or
    # where the model has too little work for them.
    threads = min(activity.threads, activity.seen.tasks)
    every_core = threads >= sum(_share(socket, without) for socket in sockets)
    every_socket = sub_streams == sum(socket.sockets for socket in sockets)
    return ProofState.ACTIVE if every_core and every_socket else ProofState.CAPPED


def _handed_over(activity: ArmActivity, without: ArmActivity) -> bool:
    """Whether the calling thread hands inferences over to sub-streams, which only a single stream can have.

    If the caller of the control run sleeps as well, as may happen on busy CPUs, the number of threads decides.
    """
    if activity.streams > 1:
        return False
    if without.seen.caller_sleeps >= HANDED_OVER:
        return activity.threads > without.threads
    return activity.seen.caller_sleeps >= HANDED_OVER


def _sub_streams(activity: ArmActivity, without: ArmActivity, sockets: Sequence[SocketCpus]) -> int:
    """Return on how many of the sockets threads were at work."""
    seen = activity.seen
    bound = sum(not socket.cpus.isdisjoint(seen.bound_cpus) for socket in sockets)
    if bound == len(sockets) or len(seen.bound_cpus) >= activity.threads:
        return bound
    if seen.cpu_s:
        fair_s = sum(seen.cpu_s.values()) / len(sockets)
        at_work = [sum(s for cpu, s in seen.cpu_s.items() if cpu in socket.cpus) for socket in sockets]
        return sum(used_s >= fair_s / 2 for used_s in at_work)
    return _needed(activity.threads, sorted((_share(socket, without) for socket in sockets), reverse=True))


def _share(socket: SocketCpus, without: ArmActivity) -> int:
    """Return the number of threads that the config would have on `socket` alone."""
    return min(without.threads, len(socket.cpus) if without.hyper_threading else socket.cores)


def _needed(threads: int, shares: Sequence[int]) -> int:
    """Return how many sub-streams are needed for `threads`."""
    for count in range(1, len(shares)):
        if sum(min(SUB_STREAM_THREADS, share) for share in shares[:count]) >= threads:
            return count
    return len(shares)
