"""How OpenVINO's CPU plugin divides processors among streams: numbers of streams, threads and sub-streams.

Modelled on `src/plugins/intel_cpu/src/cpu_streams_calculation.cpp` of OpenVINO 2026.4, and checked against it on
pretended machines (`tests/evidence/sweep_effective.py`). There is a function for each of its paths; which one
applies depends on NUM_STREAMS, the hint and the policy. The functions that take arrays calculate many configs at
once.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from autotp.space.cpu_plugin.processors import Processors, Row

Counts = npt.NDArray[np.int64]

SUB_STREAM_THREADS = 32  # TP_CPU_LIMIT in the source above
_E_CORES_A_STREAM = 2


class Streams(msgspec.Struct, frozen=True):
    """The streams that OpenVINO makes: their number, the threads that it reports, and threads per sub-stream.

    `sub_streams` is empty without a split. Its sum can be less than `threads` (see `split_stream`).
    """

    streams: int
    threads: int
    sub_streams: tuple[int, ...] = ()


def several_streams(processors: Processors, streams: Counts, threads: Counts) -> tuple[Counts, Counts]:
    """Return the streams, and the threads per stream, if NUM_STREAMS is above 1.

    Args:
        processors: those that the process may use.
        streams: NUM_STREAMS of each config, above 1.
        threads: INFERENCE_NUM_THREADS of each config, 0 where it isn't set.
    """
    usable = np.where(threads > 0, np.minimum(threads, processors.total), processors.total)
    count = np.minimum(streams, usable)
    cores = processors.main or processors.efficient
    wanted = np.minimum(usable // np.maximum(count, 1), cores)
    # The threads of a stream are of one type. If not all streams fit, all of them get fewer threads.
    widths = np.arange(1, cores + 1)
    kinds = np.array([processors.main, processors.efficient, processors.hyper])
    places = (kinds[:, None] // widths).sum(axis=0)  # decreases with the width
    widest = np.searchsorted(-places, -count, side="right")
    each = np.where(count >= usable, 1, np.clip(widest, 1, np.maximum(wanted, 1)))
    return count, each


def one_stream(processors: Processors, threads: Counts) -> Counts:
    """Return the threads of a single stream without a split; `threads` as in `several_streams`."""
    own = processors.total if len(processors.rows) == 1 else processors.sockets[0].total
    if processors.hybrid and processors.main > processors.efficient // _E_CORES_A_STREAM:
        own = processors.main + processors.hyper
    return np.where(threads > 0, np.minimum(threads, processors.total), own)


def mixes_core_types(processors: Processors, threads: int) -> bool:
    """Whether a single stream runs on both cores and E-cores; by default OpenVINO doesn't pin such a stream."""
    own_cores_only = not threads and processors.main > processors.efficient // _E_CORES_A_STREAM
    width = int(one_stream(processors, np.array([threads]))[0])
    return processors.hybrid and not own_cores_only and width > processors.main


def splits(processors: Processors) -> bool:
    """Whether the tensor-parallel policy makes sub-streams: only if OpenVINO sees several NUMA nodes."""
    return len(processors.rows) > 1


def split_stream(processors: Processors, stream_threads: int) -> Streams:
    """Return the single stream of a config with the policy, if `splits`: one sub-stream for each socket.

    OpenVINO lists a sub-stream that doesn't fit into one node as several rows: the total, then its parts. But it
    reads only as many rows as there are sub-streams from the top of the list (`compiled_model.cpp`). So it can
    take a part of the first sub-stream for the second one, and start fewer threads than it reports.

    Args:
        processors: those that the process may use.
        stream_threads: threads that the stream would have without a split; the most that a sub-stream gets.
    """
    written = [_sub_stream_rows(processors, socket, stream_threads) for socket in processors.sockets]
    rows = [threads for group in written for threads in group]
    return Streams(1, sum(group[0] for group in written), tuple(rows[: len(written)]))


def split_stream_threads(processors: Processors, threads: int) -> int:
    """Return the `stream_threads` of a split; `threads` (0: not set) is limited to those of one socket."""
    return min(threads, processors.sockets[0].total) if threads else processors.total


def _sub_stream_rows(processors: Processors, socket: Row, stream_threads: int) -> list[int]:
    """Return the threads of a socket's sub-stream, then of its parts if it takes several nodes or types."""
    wanted = min(SUB_STREAM_THREADS, stream_threads)
    nodes = [row for row in processors.rows if row.socket == socket.socket]
    if any(node.main >= wanted for node in nodes):
        return [wanted]
    wanted = min(wanted, socket.total)
    if len(nodes) == 1 and (socket.main or socket.efficient) >= wanted:
        return [wanted]
    parts, left = [], wanted
    for available in (*(n.main for n in nodes), *(n.efficient for n in nodes), *(n.hyper for n in nodes)):
        if available and left:
            parts.append(min(available, left))
            left -= parts[-1]
    return [wanted, *parts]


def streams_for_throughput(processors: Processors, threads: int, model_threads: int) -> Streams:
    """Return the streams of the THROUGHPUT hint if NUM_STREAMS isn't set.

    Args:
        processors: what the process may use.
        threads: INFERENCE_NUM_THREADS, 0 where it isn't set.
        model_threads: threads per stream that OpenVINO derives from the model's memory pressure; 0: none.
    """
    usable = min(threads, processors.total) if threads else processors.total
    if model_threads == 0:
        count, each = _by_divisors(processors, usable)
        return Streams(count, count * each)
    if model_threads == 1 and processors.hybrid and usable > processors.main:
        return _hybrid_throughput(processors, usable)
    if model_threads == 1 and not processors.efficient and processors.hyper == processors.main:
        model_threads = 2
    each = max(1, usable // 2) if model_threads > usable else model_threads
    count = -(-usable // each)
    return Streams(count, count * each)


def _by_divisors(processors: Processors, usable: int) -> tuple[int, int]:
    """Return streams and threads per stream if `model_threads` is 0: 4, 5 or 3 threads if that divides a node."""
    alone = len(processors.rows) == 1
    kind = "main" if processors.main else "efficient"
    cores = min(usable, max(getattr(row, kind) for row in processors.rows))
    rest = cores if alone else 4 if cores > 16 else max(1, cores // 4)
    each = next((width for width in (4, 5, 3) if cores % width == 0), rest)
    count = usable // each
    while count * 2 <= each and each > 1:
        each //= 2
        count = usable // each
    return count, each


def _hybrid_throughput(processors: Processors, usable: int) -> Streams:
    """Return streams of one thread on cores, of two on E-cores, and then of one on SMT siblings."""
    main, efficient = processors.main, processors.efficient
    if usable >= main + efficient:
        count = usable - efficient // _E_CORES_A_STREAM
    else:
        count = main + (usable - main) // _E_CORES_A_STREAM
    on_main = min(count, main)
    on_efficient = min(count - on_main, efficient // _E_CORES_A_STREAM)
    on_siblings = min(count - on_main - on_efficient, processors.hyper)
    placed = on_main + on_efficient + on_siblings
    return Streams(placed, on_main + on_efficient * _E_CORES_A_STREAM + on_siblings)
