"""Options as callers in Python give them."""

from typing import Any

import numpy as np
import pytest

from autotp.errors import InputError
from autotp.measuring.options import static_shapes


def test_shapes_may_be_any_sequence_of_sizes() -> None:
    """A size may be 0, as of an empty cache, and numpy's."""
    given = {"x": [1, 3], "past": (1, 0), "y": list(np.array([2, 5]))}
    assert static_shapes(given) == {"x": (1, 3), "past": (1, 0), "y": (2, 5)}


@pytest.mark.parametrize("shape", ["[1,3]", [1, "3"], [1, -1], [1.0, 3]])
def test_what_is_no_shape_is_bad_input(shape: Any) -> None:
    """It is named as it was given."""
    with pytest.raises(InputError, match="isn't a shape") as caught:
        static_shapes({"x": shape})
    assert repr(shape) in str(caught.value)
