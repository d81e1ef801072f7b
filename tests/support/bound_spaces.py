"""Spaces bound to machines, and what is in them."""

from typing import Any

from autotp.space.bound_space import BoundSpace, bind
from autotp.space.knobs.config import Config
from autotp.space.schema.space_file import parse_space
from tests.support.named_machines import topology

SHIPPED = ("default", "latency", "tensor_parallel", "throughput")


def bound(name: str, precisions: tuple[str, ...] = (), **knobs: Any) -> BoundSpace:
    """The space of these knobs on a machine of `MACHINES`."""
    return bind(parse_space({"knobs": knobs}, "a test"), topology(name), precisions)


def configs(space: BoundSpace) -> list[Config]:
    """Every combination that the conditions admit."""
    return [space.grid.config(row) for row in range(space.grid.size)]


def reasons(space: BoundSpace) -> dict[str, str]:
    """What was dropped, with its reason."""
    return {dropped.what: dropped.reason for dropped in space.census().dropped}
