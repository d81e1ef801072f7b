"""A Gaussian process over candidates: what measurements so far say about those not measured yet.

The kernel is Matern's with smoothness 5/2 and a length scale for each dimension (Rasmussen and Williams,
"Gaussian Processes for Machine Learning", MIT Press 2006, sections 4.2.1 and 5.4). Length scales, amplitude and
noise are the most probable ones under priors. That of the length scales grows with the number of dimensions, so
that a process with many of them isn't lost between few measurements (Hvarfner, Hellsten and Nardi, "Vanilla
Bayesian optimization performs great in high dimensions", ICML 2024).
"""

from math import log, pi, sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_solve, cholesky, eigh, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from autotp.tuning.propose.features import Points

Vector = NDArray[np.float64]

_SCALE_SPREAD = sqrt(3.0)  # of the logarithm of a length scale, as in Hvarfner et al.
_AMPLITUDE = (0.0, 0.5)  # mean and spread of the logarithm of the standard deviation, of standardised values
_NOISE = (log(0.05), 1.0)  # likewise, of the noise
_LEAST_NOISE = 1e-3
_BOUNDS = ((log(0.03), log(300.0)), (log(0.1), log(10.0)), (log(_LEAST_NOISE), log(1.0)))
_STEPS = 40
_FLOOR = 1e-10


class Hyperparameters(msgspec.Struct, frozen=True):
    """What shapes a process: a length scale for each dimension, its standard deviation, and that of the noise."""

    scales: Vector
    amplitude: float
    noise: float

    @classmethod
    def prior(cls, dimensions: int) -> "Hyperparameters":
        """Return the most probable ones before anything was measured."""
        return cls(np.full(dimensions, np.exp(_scale_mean(dimensions))), 1.0, float(np.exp(_NOISE[0])))


class GaussianProcess:
    """A process given measurements; values are standardised: mean 0, standard deviation 1.

    Args:
        points: of what was measured, a row each.
        dimensions: of each coordinate.
        values: what was measured.
        hyperparameters: the shape of the process.
    """

    def __init__(
        self, points: Points, dimensions: NDArray[np.int64], values: Vector, hyperparameters: Hyperparameters
    ) -> None:
        self._points, self._dimensions, self._shape = points, dimensions, hyperparameters
        self._values = values
        covariance = self._covariance(points, points)
        covariance[np.diag_indices(len(points))] += hyperparameters.noise**2 + _FLOOR
        self._factor = cholesky(covariance, lower=True)
        self._weights = cho_solve((self._factor, True), values)

    def believing(self, points: Points) -> "GaussianProcess":
        """Return the process as if what it expects at `points` had been measured there."""
        values = np.concatenate([self._values, self.predict(points)[0]])
        return GaussianProcess(np.concatenate([self._points, points]), self._dimensions, values, self._shape)

    def predict(self, points: Points) -> tuple[Vector, Vector]:
        """Return the mean and the standard deviation, without noise, at each of `points`."""
        covariance = self._covariance(points, self._points)
        mean = covariance @ self._weights
        explained = solve_triangular(self._factor, covariance.T, lower=True)
        variance = self._shape.amplitude**2 - np.einsum("ij,ij->j", explained, explained)
        return mean, np.sqrt(np.maximum(variance, _FLOOR))

    def draw(self, points: Points, count: int, rng: np.random.Generator) -> Points:
        """Return `count` draws of the values at `points`, without noise, a row each."""
        covariance = self._covariance(points, self._points)
        explained = solve_triangular(self._factor, covariance.T, lower=True)
        left = self._covariance(points, points) - explained.T @ explained
        spreads, directions = eigh(left)  # it may be singular: of alike points one says all
        standard = rng.standard_normal((count, len(points)))
        return covariance @ self._weights + (standard * np.sqrt(np.maximum(spreads, 0.0))) @ directions.T

    def _covariance(self, left: Points, right: Points) -> Points:
        scales = self._shape.scales[self._dimensions]
        return self._shape.amplitude**2 * _matern(cdist(left / scales, right / scales))


def most_probable(
    points: Points, dimensions: NDArray[np.int64], values: Vector, starts: list[Hyperparameters]
) -> Hyperparameters:
    """Return the most probable hyperparameters for what was measured, as descents from `starts` find them."""
    squares = _squares(points, dimensions)

    def cost(packed: Vector) -> tuple[float, Vector]:
        return _cost(packed, squares, values)

    count = squares.shape[2]
    bounds = [_BOUNDS[0]] * count + list(_BOUNDS[1:])
    found = [
        minimize(cost, _packed(start), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS})
        for start in starts
    ]
    best: Vector = min(found, key=lambda result: float(result.fun)).x
    return Hyperparameters(np.exp(best[:count]), float(np.exp(best[count])), float(np.exp(best[count + 1])))


def _packed(shape: Hyperparameters) -> Vector:
    packed: Vector = np.log(np.array([*shape.scales, shape.amplitude, shape.noise]))
    return packed


def _squares(points: Points, dimensions: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the squared distance of each pair in each dimension: pairs by pairs by dimensions."""
    count = int(dimensions.max(initial=-1)) + 1
    squares = np.zeros((len(points), len(points), count))
    for coordinate, dimension in enumerate(dimensions):
        column = points[:, coordinate]
        squares[:, :, dimension] += (column[:, None] - column[None, :]) ** 2
    return squares


def _cost(packed: Vector, squares: NDArray[np.float64], values: Vector) -> tuple[float, Vector]:
    """Return the negative logarithm of the posterior density, but for a constant, and its gradient."""
    count, size = squares.shape[2], len(values)
    amplitude, noise = np.exp(packed[count]), np.exp(packed[count + 1])
    weights = np.exp(-2.0 * packed[:count])
    distances = np.sqrt(squares @ weights)
    signal = amplitude**2 * _matern(distances)
    covariance = signal.copy()
    covariance[np.diag_indices(size)] += noise**2 + _FLOOR
    try:
        factor = cholesky(covariance, lower=True)
    except LinAlgError:
        return np.inf, np.zeros_like(packed)
    alpha = cho_solve((factor, True), values)
    inner = cho_solve((factor, True), np.eye(size)) - np.outer(alpha, alpha)
    slope = (5.0 / 3.0) * amplitude**2 * (1.0 + sqrt(5.0) * distances) * np.exp(-sqrt(5.0) * distances)
    gradient = np.empty_like(packed)
    gradient[:count] = 0.5 * np.einsum("ij,ijk->k", inner * slope, squares) * weights
    gradient[count] = np.sum(inner * signal)
    gradient[count + 1] = noise**2 * np.trace(inner)
    likelihood = -0.5 * values @ alpha - np.log(np.diag(factor)).sum() - 0.5 * size * log(2.0 * pi)
    means = np.array([*[_scale_mean(count)] * count, _AMPLITUDE[0], _NOISE[0]])
    spreads = np.array([*[_SCALE_SPREAD] * count, _AMPLITUDE[1], _NOISE[1]])
    away = (packed - means) / spreads
    return float(0.5 * away @ away - likelihood), gradient + away / spreads


def _matern(distances: Points) -> Points:
    scaled = sqrt(5.0) * distances
    found: Points = (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled)
    return found


def _scale_mean(dimensions: int) -> float:
    return sqrt(2.0) + 0.5 * log(max(1, dimensions))
