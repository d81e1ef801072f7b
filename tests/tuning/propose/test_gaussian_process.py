"""The Gaussian process, against what is known of one."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from autotp.tuning.propose.gaussian_process import (
    GaussianProcess,
    Hyperparameters,
    _cost,
    _packed,
    _squares,
    most_probable,
)

EXACT = Hyperparameters(np.array([0.4, 0.8]), 1.0, 1e-3)
DIMENSIONS = np.array([0, 1])


@pytest.fixture
def points() -> np.ndarray:
    """Points in two dimensions."""
    return np.random.default_rng(0).random((25, 2))


def test_what_was_measured_is_known(points: np.ndarray) -> None:
    """At measured points the mean is the value and the deviation almost nothing; far away it knows nothing."""
    values = np.sin(5 * points[:, 0])
    process = GaussianProcess(points, DIMENSIONS, values, EXACT)
    mean, deviation = process.predict(points)
    assert mean == pytest.approx(values, abs=0.01)
    assert deviation.max() < 0.01
    mean, deviation = process.predict(np.array([[100.0, 100.0]]))
    assert (mean[0], deviation[0]) == pytest.approx((0.0, 1.0))


def test_noise_is_not_taken_for_a_signal(points: np.ndarray) -> None:
    """Two measurements of one point that differ: the mean lies between them."""
    twice = np.vstack([points[:1], points[:1]])
    shape = Hyperparameters(EXACT.scales, 1.0, 0.5)
    mean, deviation = GaussianProcess(twice, DIMENSIONS, np.array([0.0, 1.0]), shape).predict(points[:1])
    assert mean[0] == pytest.approx(0.5 * 2 / 2.25)  # precision-weighted with the prior at 0
    assert deviation[0] == pytest.approx((1 - 2 / 2.25) ** 0.5)


def test_the_gradient_is_that_of_the_cost(points: np.ndarray) -> None:
    """Where several coordinates are one dimension, too."""
    three = np.hstack([points, points[:, :1] ** 2])
    squares = _squares(three, np.array([0, 1, 1]))
    values = np.cos(4 * points[:, 1])
    packed = _packed(Hyperparameters(np.array([0.5, 1.5]), 0.8, 0.1))

    def cost(at: np.ndarray) -> float:
        return _cost(at, squares, values)[0]

    def gradient(at: np.ndarray) -> np.ndarray:
        return _cost(at, squares, values)[1]

    wrong = check_grad(cost, gradient, packed)
    assert wrong < 1e-3 * np.linalg.norm(_cost(packed, squares, values)[1])


def test_a_dimension_without_effect_gets_a_long_scale(points: np.ndarray) -> None:
    """So that what differs in it alone is predicted as alike."""
    values = np.sin(6 * points[:, 0])
    found = most_probable(points, DIMENSIONS, (values - values.mean()) / values.std(), [Hyperparameters.prior(2)])
    assert found.scales[1] > 3 * found.scales[0]
    assert found.noise < 0.1


def test_draws_agree_with_the_prediction(points: np.ndarray) -> None:
    """In mean and deviation; at a point that was measured all draws are alike."""
    process = GaussianProcess(points, DIMENSIONS, np.sin(5 * points[:, 0]), EXACT)
    asked = np.array([[0.5, 0.5], [0.9, 0.1], points[0]])
    mean, deviation = process.predict(asked)
    draws = process.draw(asked, 4000, np.random.default_rng(0))
    assert draws.mean(axis=0) == pytest.approx(mean, abs=0.05)
    assert draws.std(axis=0) == pytest.approx(deviation, rel=0.1, abs=0.01)
