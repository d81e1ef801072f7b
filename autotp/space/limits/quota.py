"""A CPU quota bounds the threads: OpenVINO knows nothing of it, starts a thread for every CPU, and is throttled.

The kernel stops a group that has used up its quota until the next period (Documentation/scheduler/sched-bwc.rst),
so more threads than the quota has CPUs stand still for part of each period, and with them every request.
"""

from collections.abc import Sequence
from math import floor

from autotp.space.schema.choices import BoundKnob
from autotp.topology import Envelope

THREADS = "inference_num_threads"


def threads_within(envelope: Envelope) -> int | None:
    """Return how many threads the quota lets run all the time, None where it doesn't bind."""
    quota = envelope.cpu_quota
    return max(1, floor(quota)) if quota is not None and quota < len(envelope.cpus) else None


def beyond_quota(envelope: Envelope) -> str:
    """Return the reason that goes with a value above `threads_within`."""
    return f"the CPU quota is {envelope.cpu_quota:g} CPU(s), and more threads would be throttled"


def bounded(knobs: Sequence[BoundKnob], fitting: int) -> list[BoundKnob]:
    """Return `knobs` with the threads set in every config: to what the space offers, else 1, 2, 4 … `fitting`.

    A knob that is a multiple of another stays as it is; configs in which it isn't set are for a rule to drop.
    """
    own = next((knob for knob in knobs if knob.name == THREADS), None)
    if own is not None and own.multiple_of is not None:
        return list(knobs)
    powers = [2**exponent for exponent in range(fitting.bit_length())]
    offered = tuple(choice for choice in own.choices if choice is not None) if own else ()
    always = BoundKnob(name=THREADS, choices=offered or tuple(dict.fromkeys((*powers, fitting))))
    return [always if knob is own else knob for knob in knobs] if own else [always, *knobs]
