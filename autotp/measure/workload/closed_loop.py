"""Closed loops on a clock: drive the requests untimed first, then time a window in which the queue stays full.

What a block would pay for beginning cold (caches that other arms evicted, threads asleep) and for draining its
queue isn't what a server pays that never stops: against benchmark_app, which runs for seconds, such blocks of
50 ms were up to 3.5 % slow, most where many requests are in flight. So a block begins with a turn untimed,
the window follows without a pause, and the drain comes after its end.

Streams that run side by side finish together. A rate is unbiased only if its window ends where it began in that
rhythm, so both ends are completions that end a turn: as many inferences as the streams need to be where they were
(Requests.turn). The clock is read once a turn. Latencies are OpenVINO's own, without the copies of Python's
`infer`.
"""

from time import perf_counter

from autotp.findings import Loop
from autotp.runtime import Requests

Burst = tuple[int, float, tuple[float, ...]]


def drive(requests: Requests, loop: Loop, duration_s: float, lead_in_s: float = 0.0) -> Burst:
    """Drive `requests` untimed for `lead_in_s`, then timed for `duration_s`, each time to the end of a turn.

    Either is at least one turn, of one inference where there is one at a time. All are idle before and after.

    Returns:
        The inferences that completed in the window, its seconds, and the latency of each of them in seconds.
    """
    if loop is Loop.SYNC:
        return _drive_sync(requests, duration_s, lead_in_s)
    return _drive_async(requests, duration_s, lead_in_s)


def _drive_sync(requests: Requests, duration_s: float, lead_in_s: float) -> Burst:
    request = requests.requests[0]
    latencies_ms: list[float] = []

    def until(deadline: float) -> float:
        while True:
            request.infer(share_outputs=True)
            latencies_ms.append(request.latency)
            if (now := perf_counter()) >= deadline:
                return now

    began = until(perf_counter() + lead_in_s)
    latencies_ms.clear()
    ended = until(began + duration_s)
    return len(latencies_ms), ended - began, _seconds(latencies_ms)


def _drive_async(requests: Requests, duration_s: float, lead_in_s: float) -> Burst:
    """Keep every request in flight.

    Idle requests come back in the order in which they completed, so once all have been started each one that
    comes back is a completion.
    """
    queue, in_queue, turn = requests.queue, requests.requests, requests.turn
    completed, start = queue.get_idle_request_id, queue.start_async
    latencies_ms: list[float] = []

    def until(deadline: float) -> float:
        while True:
            for _ in range(turn - 1):
                latencies_ms.append(in_queue[completed()].latency)
                start()
            latencies_ms.append(in_queue[completed()].latency)
            if (now := perf_counter()) >= deadline:
                return now
            start()

    for _ in in_queue:
        start()
    began = until(perf_counter() + lead_in_s)
    latencies_ms.clear()
    start()
    ended = until(began + duration_s)
    queue.wait_all()
    return len(latencies_ms), ended - began, _seconds(latencies_ms)


def _seconds(milliseconds: list[float]) -> tuple[float, ...]:
    return tuple(latency / 1e3 for latency in milliseconds)
