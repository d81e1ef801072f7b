"""Conditions between knobs, after values that can't run on the machine were dropped."""

from typing import Any

import pytest

from tests.support.bound_spaces import bound, configs, reasons


@pytest.mark.parametrize(
    ("name", "knobs", "what", "reason"),
    [
        (
            "1x8",
            {"num_streams": [64], "nireq": {"multiple_of": "num_streams", "by": [1, 2]}},
            "nireq",
            "a multiple of num_streams, which is never set here",
        ),
        ("1x8", {"num_streams": [64]}, "num_streams", "none of its values can run here, so OpenVINO chooses"),
    ],
)
def test_a_knob_that_is_never_set_here_says_why(name: str, knobs: dict[str, Any], what: str, reason: str) -> None:
    """It is left out with the reason, and so is what depends on it."""
    space = bound(name, **knobs)
    assert reasons(space)[what] == reason
    assert what not in {knob.name for knob in space.knobs}


def test_a_condition_that_can_not_hold_leaves_its_knob_out() -> None:
    """The dropped value has said why: there is nothing to split where the policy does nothing."""
    split = {"values": [1], "when": {"distribution_policy": "tensor_parallel"}}
    space = bound("1x8", distribution_policy=["none", "tensor_parallel"], split_count=split)
    assert [knob.name for knob in space.knobs] == ["distribution_policy"]
    assert list(reasons(space)) == ["distribution_policy=tensor_parallel"]


def test_a_condition_on_none_holds_where_nothing_else_can_be() -> None:
    """A knob that lost all its values isn't passed, which is what its word `none` means."""
    threads = {"values": [1], "when": {"distribution_policy": "none"}}
    space = bound("2 sockets in one node", distribution_policy=["tensor_parallel"], inference_num_threads=threads)
    assert [config.to_dict() for config in configs(space)] == [{"inference_num_threads": 1}]
