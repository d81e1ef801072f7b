"""From a config to what an arm's workers do: the same for a tuning, a measurement and a comparison."""

from collections.abc import Mapping

from autotp.measure.outputs.gate import EXACT_GENERATION, REFERENCE_PROPERTIES
from autotp.runtime import ModelFiles, Plan, Shape
from autotp.space import Config, Mask


def plans_of(
    config: Config,
    masks: tuple[Mask, ...] | None,
    files: ModelFiles,
    shapes: Mapping[str, Shape],
    nireq: int | None,
) -> tuple[Plan, ...]:
    """Return one plan for each mask of `config`, a single one without a mask where there are none."""
    return tuple(
        Plan(
            files=files,
            shapes=dict(shapes),
            properties=config.properties(),
            mask=mask,
            nireq=nireq,
            split=config.graph_split,
        )
        for mask in masks or (None,)
    )


def reference_plan(files: ModelFiles, shapes: Mapping[str, Shape]) -> Plan:
    """Return what the reference outputs are computed with."""
    exact = EXACT_GENERATION if files.generates else {}
    return Plan(files=files, shapes=dict(shapes), properties={**REFERENCE_PROPERTIES, **exact})
