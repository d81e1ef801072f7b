"""Limits the threads to a cgroup CPU quota, which OpenVINO ignores: it starts a thread for every CPU.

The kernel stops a cgroup that has used up its quota until the next period (Documentation/scheduler/sched-bwc.rst).
With more threads than the quota allows CPUs, all threads stop for a part of each period, and so do the requests.
"""

from collections.abc import Sequence
from math import floor

from autotp.space.schema.choices import BoundKnob
from autotp.topology.envelope.envelope import Envelope

THREADS = "inference_num_threads"


def threads_within(envelope: Envelope) -> int | None:
    """Return how many threads can run without being throttled, None if the quota doesn't limit them."""
    quota = envelope.cpu_quota
    return max(1, floor(quota)) if quota is not None and quota < len(envelope.cpus) else None


def beyond_quota(envelope: Envelope) -> str:
    """Return the reason for dropping a value above `threads_within`."""
    return f"the CPU quota is {envelope.cpu_quota:g} CPU(s), and more threads would be throttled"


def with_bounded_threads(knobs: Sequence[BoundKnob], fitting: int) -> list[BoundKnob]:
    """Return `knobs` changed so that every config sets the threads.

    The values are those of the space, or 1, 2, 4 … `fitting` if it has none. Threads that are a multiple of
    another knob stay as they are; a rule drops the configs that don't set them.
    """
    own = next((knob for knob in knobs if knob.name == THREADS), None)
    if own is not None and own.multiple_of is not None:
        return list(knobs)
    powers = [2**exponent for exponent in range(fitting.bit_length())]
    offered = tuple(choice for choice in own.choices if choice is not None) if own else ()
    always = BoundKnob(name=THREADS, choices=offered or tuple(dict.fromkeys((*powers, fitting))))
    return [always if knob is own else knob for knob in knobs] if own else [always, *knobs]
