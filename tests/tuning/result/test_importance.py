"""Which knobs matter, on made-up searches."""

from itertools import product

import pytest

from autotp.space.knobs.config import Config
from autotp.tuning.result.importance import FEWEST, importance_of
from autotp.tuning.study.study import PastTrial

SEARCHED = [
    PastTrial(number, Config.of({"num_streams": streams, "nireq": nireq, **precision}), (100.0 * streams + nireq,))
    for number, (streams, nireq, precision) in enumerate(
        product((1, 2, 4), (8, 9, 10, 11), ({}, {"inference_precision_hint": "f32"}))
    )
]


@pytest.mark.parametrize("maximize", [True, False])
def test_the_knob_that_separates_the_best_comes_first(maximize: bool) -> None:
    """Streams decide nearly everything, the precision nothing; the shares add up."""
    found = importance_of(SEARCHED, maximize)
    assert list(found) == ["num_streams", "nireq", "inference_precision_hint"]
    assert found["num_streams"] > 0.5
    assert found["inference_precision_hint"] == pytest.approx(0.0, abs=0.01)
    assert sum(found.values()) == pytest.approx(1.0, abs=0.001)


def test_too_few_configs_say_nothing() -> None:
    """Nor do configs that differ in no knob."""
    assert importance_of(SEARCHED[: FEWEST - 1], maximize=True) == {}
    assert importance_of(SEARCHED[:1] * FEWEST, maximize=True) == {}


def test_the_same_search_gives_the_same_shares() -> None:
    """Nothing in it is drawn at random."""
    assert importance_of(SEARCHED, maximize=True) == importance_of(SEARCHED, maximize=True)
