"""Blocks of whole turns, by time, with requests whose inputs are set once.

A server that never stops has no cold starts (caches evicted by other arms, sleeping threads) and no draining
queue. Blocks of 50 ms that timed both were up to 3.5 % slower than benchmark_app, which runs for seconds, most
with many requests in flight. So a block begins with an untimed turn, the timed window follows without a pause,
and the queue drains after its end.

Streams that run side by side finish at about the same time, in a rhythm. A rate is unbiased only if its window
begins and ends at the same point of the rhythm. So both ends are completions that end a turn: the number of
inferences after which the streams are at the same point again (Requests.turn). The clock is read once per turn.
Latencies are those that OpenVINO reports, without the copies that Python's `infer` makes.
"""

from time import perf_counter

from autotp.runtime.inference.requests import Requests

Burst = tuple[int, float, tuple[float, ...]]


def drive(requests: Requests, one_at_a_time: bool, duration_s: float, lead_in_s: float = 0.0) -> Burst:
    """Run inferences untimed for `lead_in_s`, then timed for `duration_s`; both go on to the end of a turn.

    Both are at least one turn; with one request at a time, a turn is one inference. All requests are idle before
    and after.

    Returns:
        How many inferences completed in the timed window, its length in seconds, and their latencies in seconds.
    """
    if one_at_a_time:
        return _drive_one(requests, duration_s, lead_in_s)
    return _drive_all(requests, duration_s, lead_in_s)


def _drive_one(requests: Requests, duration_s: float, lead_in_s: float) -> Burst:
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


def _drive_all(requests: Requests, duration_s: float, lead_in_s: float) -> Burst:
    """Keep every request in flight.

    The queue returns idle requests in the order in which they completed. So once all have been started, each
    request it returns is a completed inference.
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
