"""The arms of the race and the race itself, in plain OpenVINO's terms.

Each arm lives in a process of its own (`race_worker.py`) and is idle outside its blocks. Blocks are short and
alternate because the machine's speed drifts: arms measured in the same second saw the same weather.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Rates = npt.NDArray[np.float64]

WORKER = Path(__file__).with_name("race_worker.py")
WARM_UP_ROUNDS = 3
REPLY_TIMEOUT_S = 120


@dataclass(frozen=True)
class Arm:
    """A configuration as OpenVINO takes it; `nireq` None means OpenVINO's own optimum."""

    name: str
    properties: tuple[tuple[str, str], ...]
    nireq: int | None = None
    cpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class Rules:
    """What is the same for every arm of a race.

    A block lasts `block_s`, or, with a file of `samples`, is so many `passes` over them.
    """

    model: Path
    shapes: dict[str, list[int]]
    block_s: float
    seed: int
    samples: Path | None = None
    passes: int = 0


@dataclass(frozen=True)
class Wave:
    """One set of processes raced against each other: rates per round, facts as OpenVINO reports them."""

    rates_per_s: dict[str, Rates]
    facts: dict[str, dict[str, Any]]
    failures: dict[str, str]


HINTS = tuple(Arm(f"hint={hint}", (("PERFORMANCE_HINT", hint),)) for hint in ("THROUGHPUT", "LATENCY"))
REFERENCE = HINTS[0]


class WorkerError(RuntimeError):
    """An arm's process died or fell silent."""


class Worker:
    """One arm's process, idle between blocks."""

    def __init__(self, arm: Arm, rules: Rules) -> None:
        self._block = {"passes": rules.passes} if rules.samples else {"seconds": rules.block_s}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed in stop)
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._send(
            {
                "model": str(rules.model),
                "shapes": rules.shapes,
                "properties": dict(arm.properties),
                "nireq": arm.nireq,
                "cpus": arm.cpus,
                "seed": rules.seed,
                "samples": str(rules.samples) if rules.samples else None,
            }
        )

    def receive(self) -> dict[str, Any]:
        """The next reply; raises WorkerError with the end of its log if there is none."""
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], REPLY_TIMEOUT_S)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._log.seek(0)
            raise WorkerError(self._log.read()[-500:].decode(errors="replace").strip() or "no reply")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def rate_per_s(self) -> float:
        """Inferences per second of one block."""
        self._send(self._block)
        block = self.receive()
        return float(block["count"] / block["elapsed_s"])

    def stop(self) -> None:
        """End the process: kindly, then not."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._log.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


def race(arms: Sequence[Arm], rules: Rules, rounds: int, order: random.Random) -> Wave:
    """Race the arms in fresh processes: one block of each per round, in random order."""
    facts: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        workers = {}
        for arm in arms:
            workers[arm.name] = Worker(arm, rules)
            stack.callback(workers[arm.name].stop)
        for arm in arms:
            try:
                facts[arm.name] = workers[arm.name].receive()
            except WorkerError as error:
                failures[arm.name] = str(error).replace(str(rules.model), rules.model.name)
        rates: dict[str, list[float]] = {name: [] for name in facts}
        for _ in range(WARM_UP_ROUNDS + rounds):
            for name in order.sample(list(facts), len(facts)):
                rates[name].append(workers[name].rate_per_s())
    return Wave({n: np.array(r[WARM_UP_ROUNDS:]) for n, r in rates.items()}, facts, failures)


def grid(cores: int) -> list[Arm]:
    """Every combination of streams, threads, requests and precision, for this many cores."""
    counts = [n for n in range(1, cores + 1) if cores % n == 0]
    requests = [2**power for power in range((4 * cores).bit_length())]
    axes = itertools.product(counts, [*counts, None], requests, [None, "f32"])
    return [_grid_arm(*point) for point in axes]


def _grid_arm(streams: int, threads: int | None, requests: int, precision: str | None) -> Arm:
    settings = {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
    }
    axes = {"streams": streams, "threads": threads or "unset", "requests": requests}
    name = " ".join(f"{key}={value}" for key, value in {**axes, "precision": precision or "default"}.items())
    return Arm(name, tuple((key, str(value)) for key, value in settings.items() if value is not None), requests)


def tuned_arm(document: dict[str, Any]) -> Arm:
    """The arm that a tuned.yaml (version 1) ships."""
    profile = document["profiles"][0]
    masks = profile.get("affinity") or []
    if len(masks) > 1:
        raise ValueError("tuned has several instances; this judge races single processes.")
    nireq = (profile.get("config") or {}).get("nireq") or document["workload"].get("nireq")
    properties = tuple((key, str(value)) for key, value in profile["properties"].items())
    return Arm("tuned", properties, nireq, parse_cpus(masks[0]) if masks else ())


def parse_cpus(text: str) -> tuple[int, ...]:
    """`0-2,5` as 0, 1, 2, 5."""
    ranges = [part.split("-") for part in text.split(",")]
    return tuple(cpu for ends in ranges for cpu in range(int(ends[0]), int(ends[-1]) + 1))


def parse_shapes(texts: Iterable[str]) -> dict[str, list[int]]:
    """`x=[1,3,48,320]` as {"x": [1, 3, 48, 320]}."""
    shapes = {}
    for text in texts:
        match = re.fullmatch(r"\s*(.+?)\s*=\s*\[([\d,\s]*)\]\s*", text)
        if not match:
            raise ValueError(f"{text!r} isn't a shape like 'x=[1,3,48,320]'.")
        shapes[match[1]] = [int(size) for size in match[2].split(",") if size.strip()]
    return shapes
