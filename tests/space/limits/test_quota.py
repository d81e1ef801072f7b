"""What a CPU quota leaves of a space."""

from typing import Any

import msgspec
import pytest

from autotp.errors import InfeasibleError
from autotp.space.bound_space import BoundSpace, bind
from autotp.space.schema.space_file import load_space, parse_space
from autotp.topology.probe import Topology
from tests.support.bound_spaces import SHIPPED, configs, reasons
from tests.support.named_machines import topology


def under(quota: float, name: str) -> Topology:
    """A machine of `MACHINES` in a container with a CPU quota."""
    here = topology(name)
    return msgspec.structs.replace(here, envelope=msgspec.structs.replace(here.envelope, cpu_quota=quota))


def bound(quota: float, name: str, **knobs: Any) -> BoundSpace:
    """The space of these knobs there."""
    return bind(parse_space({"knobs": knobs}, "a test"), under(quota, name))


@pytest.mark.parametrize(
    ("quota", "threads"), [(0.5, {1}), (1, {1}), (1.9, {1}), (2.5, {1, 2}), (6, {1, 2, 4, 6}), (8, {None})]
)
def test_a_space_without_threads_gets_those_that_fit(quota: float, threads: set[int | None]) -> None:
    """1, 2, 4 … and the quota itself, rounded down; a quota of all CPUs bounds nothing."""
    space = bound(quota, "1x8", num_streams=["default", 1])
    assert {config.count("inference_num_threads") for config in configs(space)} == threads
    assert ("inference_num_threads left to OpenVINO" in reasons(space)) is (quota < 8)


@pytest.mark.parametrize("space", SHIPPED)
@pytest.mark.parametrize("name", ["1x8", "4x4", "smt 2"])
def test_no_config_of_a_shipped_space_starts_more_threads_than_fit(space: str, name: str) -> None:
    """Under three CPUs no arm of any space runs more than three threads, sub-streams included."""
    found = bind(load_space(space), under(3, name))
    threads = [found.predictor.effective(config).threads for config in found.effective()]
    assert threads
    assert max(count or 0 for count in threads) <= 3


def test_what_a_quota_drops_has_a_reason() -> None:
    """Values beyond it and threads of a split that only together are beyond it have the quota as their reason."""
    space = bound(
        6, "4x4", distribution_policy=["tensor_parallel"], split_count=[2, 4], inference_num_threads=[2, 4, 8]
    )
    quota = "the CPU quota is 6 CPU(s), and more threads would be throttled"
    assert reasons(space)["inference_num_threads=8"] == quota
    dropped = {found.reason for found in space.census().dropped}
    assert dropped >= {
        f"{threads} thread(s) on each of {n} sockets: {quota}" for threads, n in ((2, 4), (4, 4), (4, 2))
    }
    assert [config.to_dict()["split_count"] for config in space.effective()] == [2]


def test_threads_that_follow_the_streams_stay_bounded() -> None:
    """Of a multiple those products stay that fit, and nothing is left to OpenVINO."""
    threads = {"multiple_of": "num_streams", "by": [1, 2]}
    space = bound(2.5, "1x8", num_streams=["default", 1, 2], inference_num_threads=threads)
    kept = [(c.count("num_streams"), c.count("inference_num_threads")) for c in space.effective()]
    assert kept == [(1, 1), (1, 2), (2, 2)]


def test_a_fixed_thread_count_may_exceed_the_quota() -> None:
    """A fixed thread count beyond the quota is kept; one beyond the CPUs can't run."""
    default = load_space("default")
    held = bind(default.fixed({"inference_num_threads": 8}), under(1, "1x8"))
    assert {config.count("inference_num_threads") for config in configs(held)} == {8}
    with pytest.raises(InfeasibleError, match="the process may use 8"):
        bind(default.fixed({"inference_num_threads": 9}), under(1, "1x8"))
