"""Workloads on a clock: closed loops that drive the requests and time each inference.

The asynchronous loop stops issuing at the deadline once the count is a multiple of the requests in flight,
so that no stream idles through a partial last turn (benchmark_app ends its loop in the same way). Latencies
are OpenVINO's own of each request, without the copies of Python's `infer`.
"""

from time import perf_counter

from autotp.measure.protocol import Loop
from autotp.runtime import Requests

Burst = tuple[int, float, tuple[float, ...]]


def drive(requests: Requests, loop: Loop, duration_s: float) -> Burst:
    """Drive `requests` for about `duration_s` seconds.

    Returns:
        The number of inferences, the seconds they took, and the latency of each in seconds.
    """
    if loop is Loop.SYNC:
        return _drive_sync(requests, duration_s)
    return _drive_async(requests, duration_s)


def _drive_sync(requests: Requests, duration_s: float) -> Burst:
    request = requests.requests[0]
    latencies_ms: list[float] = []
    started = now = perf_counter()
    deadline = started + duration_s
    while now < deadline or not latencies_ms:
        request.infer(share_outputs=True)
        latencies_ms.append(request.latency)
        now = perf_counter()
    return len(latencies_ms), now - started, _seconds(latencies_ms)


def _drive_async(requests: Requests, duration_s: float) -> Burst:
    queue, in_queue = requests.queue, requests.requests
    idle_request, start = queue.get_idle_request_id, queue.start_async
    fresh = set(range(len(in_queue)))
    latencies_ms: list[float] = []
    count = 0
    started = perf_counter()
    deadline = started + duration_s
    while not count or perf_counter() < deadline or count % len(in_queue):
        index = idle_request()
        if index in fresh:
            fresh.remove(index)
        else:
            latencies_ms.append(in_queue[index].latency)
        start()
        count += 1
    queue.wait_all()
    elapsed_s = perf_counter() - started
    latencies_ms += [request.latency for index, request in enumerate(in_queue) if index not in fresh]
    return count, elapsed_s, _seconds(latencies_ms)


def _seconds(milliseconds: list[float]) -> tuple[float, ...]:
    return tuple(latency / 1e3 for latency in milliseconds)
