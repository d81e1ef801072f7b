"""The proof that a split took effect, judged by what threads did."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from autotp.findings.proof import Proof, ProofState
from autotp.measuring.proof.split_proof import ArmActivity, SocketCpus, prove_split, socket_cpus
from autotp.measuring.protocol import ThreadActivity
from autotp.topology.probe import probe
from tests.support import rig
from tests.support.trees import Described, build

TWO_BY_EIGHT = Described(sockets=2, cores_per_node=8)
ROOT = Path(__file__).resolve().parents[3]


def ran(
    threads: int,
    bound: Sequence[int] = (),
    *,
    sleeps: float = 0.0,
    cpu_s: Mapping[int, float] | None = None,
    streams: int = 1,
    hyper_threading: bool = False,
    tasks: int | None = None,
) -> ArmActivity:
    """A compiled model that ran with so many threads, bound to these CPUs."""
    seen = ThreadActivity(
        tasks=threads + 3 if tasks is None else tasks,
        busy_threads=threads,
        caller_sleeps=sleeps,
        bound_cpus=tuple(bound),
        cpu_s=dict(cpu_s or {}),
    )
    return ArmActivity(streams=streams, threads=threads, seen=seen, hyper_threading=hyper_threading)


def spans(described: Described, mask: Sequence[int], tmp: Path) -> tuple[SocketCpus, ...]:
    """The places of `mask` on the machine `described`."""
    return socket_cpus(probe(build(described, tmp / "machine")).machine, mask)


def judged(described: Described, split: ArmActivity, without: ArmActivity, tmp: Path) -> tuple[ProofState, int]:
    """State and sub-streams on the whole machine `described`."""
    proof = prove_split(split, without, spans(described, range(described.logical_cpus), tmp))
    assert (proof.threads, proof.threads_without) == (split.threads, without.threads)
    return proof.state, proof.sub_streams


@pytest.mark.parametrize(
    ("described", "mask", "expected"),
    [
        (Described(sockets=4, cores_per_node=4), range(16), [(4, 4, 1)] * 4),
        (Described(sockets=4, cores_per_node=4), range(4, 10), [(4, 4, 1), (2, 2, 1)]),
        (Described(sockets=2, nodes_per_socket=2, cores_per_node=4), range(16), [(8, 8, 1)] * 2),
        (Described(nodes_per_socket=2, cores_per_node=4), range(8), [(8, 8, 1)]),
        (Described(sockets=2, sockets_per_node=2, cores_per_node=8), range(8), [(8, 8, 2)]),
        (Described(sockets=4, sockets_per_node=2, cores_per_node=8), range(16), [(8, 8, 2)] * 2),
        (Described(sockets=2, cores_per_node=2, smt=2), range(8), [(4, 2, 1)] * 2),
    ],
)
def test_a_place_is_what_numa_nodes_separate(
    described: Described, mask: Sequence[int], expected: list[tuple[int, int, int]], tmp_path: Path
) -> None:
    """CPUs, cores and sockets of each: nodes within a socket make one, and so do sockets within a node."""
    found = spans(described, mask, tmp_path)
    assert [(len(place.cpus), place.cores, place.sockets) for place in found] == expected
    assert sorted(cpu for place in found for cpu in place.cpus) == list(mask)


@pytest.mark.parametrize(
    ("described", "split", "without", "state", "sub_streams"),
    [
        (Described(sockets=2), ran(2, (0, 1), sleeps=1.5), ran(1, (0,)), "active", 2),
        (TWO_BY_EIGHT, ran(16, range(16), sleeps=0.9), ran(8, range(8)), "active", 2),
        (TWO_BY_EIGHT, ran(8, (0, 1, 2, 3, 8, 9, 10, 11), sleeps=2.0), ran(4, range(4)), "active", 2),
        (TWO_BY_EIGHT, ran(16, range(16), sleeps=2.0), ran(12, range(12)), "active", 2),
        (TWO_BY_EIGHT, ran(16, range(16), sleeps=2.0), ran(16, range(16)), "active", 2),
        (TWO_BY_EIGHT, ran(12, (0, 1, 8), sleeps=2.0), ran(8, range(8)), "capped", 2),
        (TWO_BY_EIGHT, ran(16, range(8), sleeps=2.0, cpu_s={0: 1.0, 3: 0.8}), ran(8, range(8)), "inert", 1),
        (TWO_BY_EIGHT, ran(16, range(16)), ran(8, range(8)), "inert", 1),
        (TWO_BY_EIGHT, ran(16, range(16), sleeps=1.0, streams=2), ran(16, range(16)), "inert", 1),
        (TWO_BY_EIGHT, ran(8, range(8)), ran(8, range(8)), "inert", 1),
        (TWO_BY_EIGHT, ran(16, range(16), sleeps=0.7), ran(8, range(8), sleeps=0.7), "active", 2),
        (TWO_BY_EIGHT, ran(8, range(8), sleeps=0.7), ran(8, range(8), sleeps=0.7), "inert", 1),
        (
            Described(sockets=4, sockets_per_node=2, cores_per_node=8),
            ran(16, (0, 8), sleeps=2),
            ran(8),
            "capped",
            2,
        ),
        (Described(nodes_per_socket=2, cores_per_node=4), ran(8, (0,), sleeps=0.9), ran(8), "inert", 1),
    ],
)
def test_the_caller_and_the_bound_threads_tell(
    described: Described, split: ArmActivity, without: ArmActivity, state: str, sub_streams: int, tmp_path: Path
) -> None:
    """Active where each socket works for a caller that sleeps; inert where one socket or the caller does all."""
    assert judged(described, split, without, tmp_path) == (state, sub_streams)


@pytest.mark.parametrize(
    ("cpu_s", "state", "sub_streams"),
    [
        ({0: 0.2, 5: 0.2, 8: 0.1, 12: 0.2}, "active", 2),
        ({0: 0.2, 5: 0.2, 8: 0.05}, "inert", 1),
        ({}, "active", 2),
    ],
)
def test_threads_that_are_not_bound_are_judged_by_the_cpus_they_ran_on(
    cpu_s: dict[int, float], state: str, sub_streams: int, tmp_path: Path
) -> None:
    """A socket counts from half its fair share of the CPU time; without times the thread counts must do."""
    described = Described(sockets=2, nodes_per_socket=2, cores_per_node=4)
    split = ran(16, range(4), sleeps=2.0, cpu_s=cpu_s)
    assert judged(described, split, ran(8, range(8)), tmp_path) == (state, sub_streams)


def test_threads_that_are_only_reported_cap_a_split(tmp_path: Path) -> None:
    """Where OpenVINO reports more threads than the process has, a sub-stream isn't whole."""
    described = Described(sockets=2, nodes_per_socket=2, cores_per_node=6)
    split = ran(24, range(4), sleeps=2.0, tasks=23)
    assert judged(described, split, ran(12, range(12)), tmp_path) == ("capped", 2)


def test_half_of_the_cores_may_be_all_that_a_sub_stream_takes(tmp_path: Path) -> None:
    """2x48 with 64 threads is two sub-streams of 32, capped; with SMT off the siblings aren't missed."""
    big = Described(sockets=2, cores_per_node=48)
    assert judged(big, ran(64, (), sleeps=2.0), ran(48), tmp_path / "big") == ("capped", 2)
    siblings = Described(sockets=2, cores_per_node=8, smt=2)
    twelve = ran(16, range(16), sleeps=2.0), ran(12, range(12))
    assert judged(siblings, *twelve, tmp_path / "smt") == ("active", 2)


def test_the_evidence_is_kept_beside_the_judgement(tmp_path: Path) -> None:
    """CPUs as a list, sleeps per inference; what isn't known isn't written."""
    sockets = spans(Described(sockets=2), range(2), tmp_path)
    proof = prove_split(ran(2, (0, 1), sleeps=1.23456), ran(1, (0,)), sockets)
    assert msgspec.to_builtins(proof) == {
        "state": "active", "sub_streams": 2, "threads": 2, "threads_without": 1,
        "busy_threads": 2, "busy_cpus": "0-1", "caller_sleeps": 1.235,
    }  # fmt: skip
    bare = Proof(state=ProofState.INERT, sub_streams=1, threads=8, threads_without=8)
    assert msgspec.to_builtins(bare) == {"state": "inert", "sub_streams": 1, "threads": 8, "threads_without": 8}


PROGRAM = """
import json, sys
from pathlib import Path
import msgspec
from autotp.measuring.jobs.worker_bench import WorkerBench
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.parent.pool import Workers
from autotp.space.aliases.predictor import Predictor
from autotp.space.knobs.config import Config
from tests.support.jobs import job_for
from tests.support.models import wide_model

workers = Workers()
job = job_for(wide_model(Path(sys.argv[1]), rows=256), "throughput")
bench = WorkerBench(job, Predictor(job.topology), workers)
bench.record_reference()
for config in json.loads(sys.argv[2]):
    ((_, outcome),) = bench.start([Config.of({"distribution_policy": "tensor_parallel", **config})])
    assert isinstance(outcome, Observed), outcome
    assert outcome.effective.sub_streams == outcome.proof.sub_streams
    print(msgspec.json.encode(outcome.proof).decode())
bench.close()
workers.close()
"""


def proven(described: Described, configs: list[dict[str, Any]], tmp: Path, *, shim: bool) -> list[Any]:
    """State, sub-streams, threads and threads without of each config, on the machine `described`."""
    argv = (sys.executable, "-c", PROGRAM, str(tmp), json.dumps(configs))
    done = rig.run(described, argv, shim=shim, tmp=tmp, timeout_s=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return [[each[key] for key in ("state", "sub_streams", "threads", "threads_without")] for each in found]


@rig.requires_rig(shim=False)
def test_two_real_cores_prove_two_sub_streams(tmp_path: Path) -> None:
    """On 2x1 both cores work; if the control run has as many threads, only the split hands the work over."""
    configs: list[dict[str, Any]] = [{"num_streams": 1}, {"num_streams": 1, "inference_num_threads": 2}]
    expected = [["active", 2, 2, 1], ["active", 2, 2, 2], ["inert", 1, 1, 1]]
    configs.append({"num_streams": 1, "split_count": 1})
    assert proven(Described(sockets=2), configs, tmp_path, shim=False) == expected


@rig.requires_rig(shim=True)
@pytest.mark.parametrize(
    ("described", "config", "expected"),
    [
        (Described(sockets=2, cores_per_node=48), {"num_streams": 1}, ["capped", 2, 64, 48]),
        (Described(nodes_per_socket=2, cores_per_node=4), {"num_streams": 1}, ["inert", 1, 8, 8]),
        (Described(sockets=2, sockets_per_node=2, cores_per_node=8), {"num_streams": 1}, ["inert", 1, 8, 8]),
        (Described(sockets=4, sockets_per_node=2, cores_per_node=8), {"num_streams": 1}, ["capped", 2, 16, 8]),
        (TWO_BY_EIGHT, {"num_streams": 2}, ["inert", 1, 16, 16]),
        (TWO_BY_EIGHT, {"num_streams": 1, "inference_num_threads": 4}, ["active", 2, 8, 4]),
    ],
)
def test_pretended_machines_prove_what_openvino_does(
    described: Described, config: dict[str, Any], expected: list[Any], tmp_path: Path
) -> None:
    """The 32 threads' cap, sockets that no nodes separate, nodes of one socket, several streams, few threads."""
    assert proven(described, [config], tmp_path, shim=True) == [expected]
