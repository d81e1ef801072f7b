"""Whether samples differ in their time, on made-up times."""

import numpy as np
import pytest

from autotp.measuring.samples.data_dependence import SMALLEST_EFFECT, data_effect


def times_s(effects: list[float], noise: float, turns: int = 10, seed: int = 0) -> np.ndarray[tuple[int, int]]:
    """Times of samples around 1 ms, with so much log-normal noise, in turns of which each drifts as a whole."""
    rng = np.random.default_rng(seed)
    drift = rng.normal(0.0, 0.5, (turns, 1))
    return 1e-3 * np.exp(np.array(effects) + drift + rng.normal(0.0, noise, (turns, len(effects))))


@pytest.mark.parametrize("effects", [[0.0] * 7 + [2.0], [0.0] * 4 + [1.0] * 4, [0.0, 0.0, 0.3]])
def test_samples_that_differ_are_found(effects: list[float]) -> None:
    """Whether one differs or half of them, beyond the noise and however the machine drifts."""
    assert all(data_effect(times_s(effects, noise=0.02, seed=seed)).exists for seed in range(20))


def test_noise_is_no_effect() -> None:
    """Of a hundred sets of equal samples hardly any is taken for different ones."""
    found = [data_effect(times_s([0.0] * 8, noise=0.05, turns=5, seed=seed)).exists for seed in range(100)]
    assert sum(found) <= 5


def test_single_disturbances_are_no_effect() -> None:
    """A turn in which one sample took ten times as long is outvoted by the others."""
    times = times_s([0.0] * 8, noise=0.01)
    times[3, 5] *= 10
    assert not data_effect(times).exists


def test_effects_below_any_noise_floor_do_not_matter() -> None:
    """Without noise a tenth of a per cent is measurable, and changes no verdict."""
    effect = data_effect(times_s([0.0, 0.0, SMALLEST_EFFECT / 2], noise=1e-6))
    assert effect.largest > effect.half_width
    assert not effect.exists
