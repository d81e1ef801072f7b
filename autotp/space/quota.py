"""A CPU quota bounds the threads: OpenVINO knows nothing of it, starts a thread for every CPU, and is throttled.

The kernel stops a group that has used up its quota until the next period (Documentation/scheduler/sched-bwc.rst),
so more threads than the quota has CPUs stand still for part of each period, and with them every request.
"""

from math import floor

from autotp.space.choices import BoundKnob, Choice
from autotp.topology import Envelope

THREADS = "inference_num_threads"


def threads_within(envelope: Envelope) -> int | None:
    """Return how many threads the quota lets run all the time, None where it doesn't bind."""
    quota = envelope.cpu_quota
    return max(1, floor(quota)) if quota is not None and quota < len(envelope.cpus) else None


def beyond_quota(envelope: Envelope) -> str:
    """Return the reason that goes with a value above `threads_within`."""
    return f"the CPU quota is {envelope.cpu_quota:g} CPU(s), and more threads would be throttled"


def bounded(knob: BoundKnob | None, fitting: int) -> BoundKnob:
    """Return the knob of threads such that they're always set: to what it offers, else to 1, 2, 4 … `fitting`."""
    if knob is not None and knob.multiple_of is not None:
        return knob
    offered: tuple[Choice, ...] = () if knob is None else tuple(c for c in knob.choices if c is not None)
    powers = [2**exponent for exponent in range(fitting.bit_length())]
    return BoundKnob(name=THREADS, choices=offered or tuple(dict.fromkeys((*powers, fitting))))
