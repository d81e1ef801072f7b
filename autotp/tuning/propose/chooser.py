"""Chooses which of a finite number of candidates is measured next: the one that promises the largest improvement.

The expected improvement over the best so far (Jones, Schonlau and Welch, "Efficient global optimization of
expensive black-box functions", 1998) is computed by a Gaussian process. Candidates that are being measured count
as if they had been measured with what is expected of them (Ginsbourger, Le Riche and Carraro, "Kriging is
well-suited to parallelize optimization", 2010). Several objectives are weighed anew, at random, for each choice
(Knowles, "ParEGO", 2006). Where there are bounds, the improvement is multiplied by the probability that they are
kept (Gardner et al., "Bayesian optimization with inequality constraints", ICML 2014).
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import norm

from autotp.tuning.propose.features import Features
from autotp.tuning.propose.gaussian_process import GaussianProcess, Hyperparameters, Vector, most_probable

Rows = NDArray[np.int64]
Worth = Callable[[Rows], Vector]

AT_RANDOM = 4  # so many are drawn at random before a process says anything
MOST_LOOKED_AT = 1500  # candidates, for one choice: the neighbours of the best, and others at random
BEST_WITH_NEIGHBOURS = 3
MOST_NEAR = 300  # neighbours of one candidate
CLIMBS = 8  # steps to neighbours that promise more
ENOUGH_TO_SAY = 25  # measurements, before a chance is computed from them; after 10, replays stopped too early
MOST_DRAWN = 200  # candidates, whose values are drawn together
DRAWS = 1000
MOST_LEARNED_FROM = 300  # measurements: the better half of them, and others at random
REFIT = 1.1  # hyperparameters are sought anew when there are so many times more measurements
TIES = 1e-9
CHEBYSHEV = 0.05  # the share of the sum beside the least objective, as in ParEGO


class Outcome(msgspec.Struct, frozen=True):
    """What is known of a measured candidate.

    Attributes:
        values: in each objective, more is better, on a scale where differences mean the same everywhere (such as
            logarithms).
        excess: how far it is beyond the bound that it keeps least; 0 or less where it keeps all.
    """

    values: tuple[float, ...]
    excess: float = 0.0


class Chooser:
    """Chooses among candidates; equal seeds and outcomes give equal choices.

    Args:
        features: where the candidates lie.
        seed: of what is left to chance.
    """

    def __init__(self, features: Features, seed: int) -> None:
        self._features = features
        self._rng = np.random.default_rng(seed)
        self._shapes: dict[str, tuple[int, Hyperparameters]] = {}

    def choose(self, outcomes: Mapping[int, Outcome], pending: Collection[int], left: Rows) -> int:
        """Return the row of the candidate to measure next, one of `left`.

        Args:
            outcomes: what was measured, by row.
            pending: rows of candidates that are being measured.
            left: rows that may be chosen, at least one.
        """
        if len(outcomes) < AT_RANDOM or not len(self._features.dimensions):
            return int(self._rng.choice(left))
        known = self._known(outcomes)
        values = self._weighed(known.values)
        worth = self._worth(known, values, pending)
        looked_at = self._looked_at(known.best_first(values), left)
        found = worth(looked_at)
        if len(looked_at) < len(left):
            looked_at, found = self._climbed(worth, looked_at, found, left)
        best = np.flatnonzero(found >= found.max() * (1.0 - TIES))
        return int(looked_at[self._rng.choice(best)])

    def chance_of_better(
        self, outcomes: Mapping[int, Outcome], left: Rows, by: float, beside: float
    ) -> float | None:
        """Return the probability that one of `left` is more than `by` better than the best that keeps its bounds.

        It is computed from draws of the values of the most promising ones (Villemonteix, Vazquez and Walter, "An
        informational approach to the global optimization of expensive-to-evaluate functions", 2009).

        Args:
            outcomes: what was measured, by row.
            left: rows that weren't measured, or not to the end.
            by: on the scale of the values.
            beside: a value that counts as measured, too: that of a baseline.

        Returns:
            None while too little was measured to say, and for several objectives.
        """
        several = any(len(outcome.values) > 1 for outcome in outcomes.values())
        if several or len(outcomes) < ENOUGH_TO_SAY or not len(self._features.dimensions):
            return None
        known = self._known(outcomes)
        if not known.sound.any():
            return None
        if not len(left):
            return 0.0
        standard = _Standard.of(known.values[:, 0])
        process = self._process("value", known.rows, standard)
        left = self._looked_at(known.best_first(standard.values), left)
        points = self._features.points
        mean, deviation = process.predict(points[left])
        reached, _ = process.predict(points[known.rows[known.sound]])
        threshold = max(float(reached.max()), standard.of_value(beside)) + by / standard.unit
        promising = left[np.argsort(-(mean - threshold) / deviation, kind="stable")[:MOST_DRAWN]]
        better = process.draw(points[promising], DRAWS, self._rng) > threshold
        if not known.sound.all():
            bounded = _Standard.of(known.excess)
            excess = self._process("excess", known.rows, bounded)
            better &= excess.draw(points[promising], DRAWS, self._rng) <= bounded.of_value(0.0)
        return float(better.any(axis=1).mean())

    def _known(self, outcomes: Mapping[int, Outcome]) -> "_Known":
        """Return the measurements to learn from: all, or the better half and a part of the others."""
        rows = np.array(list(outcomes), dtype=np.int64)
        if len(rows) > MOST_LEARNED_FROM:
            order = np.argsort([-min(outcome.values) for outcome in outcomes.values()], kind="stable")
            kept = MOST_LEARNED_FROM // 2
            others = self._rng.choice(order[kept:], size=MOST_LEARNED_FROM - kept, replace=False)
            rows = rows[np.concatenate([order[:kept], np.sort(others)])]
        known = [outcomes[row] for row in rows.tolist()]
        excess = np.array([outcome.excess for outcome in known])
        return _Known(rows, np.array([outcome.values for outcome in known]), excess, excess <= 0.0)

    def _weighed(self, values: NDArray[np.float64]) -> Vector:
        """Return one value for each measurement; several objectives are weighed at random."""
        if values.shape[1] == 1:
            return values[:, 0]
        span = np.ptp(values, axis=0)
        scaled = (values - values.min(axis=0)) / np.where(span > 0.0, span, 1.0)
        weighted = scaled * self._rng.dirichlet(np.ones(values.shape[1]))
        found: Vector = weighted.min(axis=1) + CHEBYSHEV * weighted.sum(axis=1)
        return found

    def _looked_at(self, best_first: Rows, left: Rows) -> Rows:
        """Return the candidates that are looked at: all that are left, or neighbours of the best and others."""
        if len(left) <= MOST_LOOKED_AT:
            return left
        near = [self._near(int(row), left) for row in best_first[:BEST_WITH_NEIGHBOURS]]
        others = self._rng.choice(left, size=MOST_LOOKED_AT - sum(map(len, near)), replace=False)
        found: Rows = np.unique(np.concatenate([*near, others]))
        return found

    def _near(self, row: int, left: Rows) -> Rows:
        """Return neighbours of `row` in `left`: all, or a part of them where there are many."""
        near = self._features.neighbours(row, left)
        return near if len(near) <= MOST_NEAR else self._rng.choice(near, size=MOST_NEAR, replace=False)

    def _climbed(self, worth: Worth, looked_at: Rows, found: Vector, left: Rows) -> tuple[Rows, Vector]:
        """Look at the neighbours of the most promising, too, and again, until none of them promises more.

        Args:
            worth: what a candidate promises.
            looked_at: candidates that were looked at.
            found: what these promise.
            left: all candidates.
        """
        for _ in range(CLIMBS):
            near = np.setdiff1d(self._near(int(looked_at[found.argmax()]), left), looked_at)
            if not len(near):
                break
            higher = worth(near)
            is_higher = float(higher.max()) > float(found.max())
            looked_at, found = np.concatenate([looked_at, near]), np.concatenate([found, higher])
            if not is_higher:
                break
        return looked_at, found

    def _worth(self, known: "_Known", values: Vector, pending: Collection[int]) -> Worth:
        """Return what tells of candidates how much measuring them promises."""
        points, factors = self._features.points, list[Worth]()
        if known.sound.any():
            standard = _Standard.of(values)
            best = float(standard.values[known.sound].max())
            process = self._believing("value", known.rows, standard, pending)
            factors.append(lambda rows: _expected_improvement(*process.predict(points[rows]), best))
        if not known.sound.all():
            bounded = _Standard.of(known.excess)
            excess, limit = self._believing("excess", known.rows, bounded, pending), bounded.of_value(0.0)
            factors.append(lambda rows: _probability_below(*excess.predict(points[rows]), limit))
        return lambda rows: np.prod([factor(rows) for factor in factors], axis=0)

    def _believing(self, what: str, rows: Rows, known: "_Standard", pending: Collection[int]) -> GaussianProcess:
        """Return the process for `what`, as if what is pending had given what is expected of it."""
        process = self._process(what, rows, known)
        if not pending:
            return process
        return process.believing(self._features.points[np.array(list(pending), dtype=np.int64)])

    def _process(self, what: str, rows: Rows, known: "_Standard") -> GaussianProcess:
        """Return the process for `what`; its hyperparameters are sought anew if much more is known than before."""
        points, dimensions = self._features.points[rows], self._features.dimensions
        count, shape = self._shapes.get(what, (0, None))
        if shape is None or len(rows) >= REFIT * count:
            starts = [Hyperparameters.prior(int(dimensions.max()) + 1), *([shape] if shape else [])]
            shape = most_probable(points, dimensions, known.values, starts)
            self._shapes[what] = (len(rows), shape)
        return GaussianProcess(points, dimensions, known.values, shape)


class _Known(NamedTuple):
    """What was measured: rows, values (a column for each objective), excess, and which keep all bounds."""

    rows: Rows
    values: NDArray[np.float64]
    excess: Vector
    sound: NDArray[np.bool_]

    def best_first(self, values: Vector) -> Rows:
        """Return the rows that keep all bounds, or all rows if none does, by `values`, the best first."""
        order = np.argsort(-values, kind="stable")
        kept: Rows = self.rows[order[self.sound[order]] if self.sound.any() else order]
        return kept


class _Standard(msgspec.Struct, frozen=True):
    """Values with mean 0 and standard deviation 1, and what these were."""

    values: Vector
    centre: float
    unit: float

    @classmethod
    def of(cls, values: Vector) -> "_Standard":
        centre, unit = float(values.mean()), float(values.std()) or 1.0
        return cls((values - centre) / unit, centre, unit)

    def of_value(self, value: float) -> float:
        """Return `value` on the same scale."""
        return (value - self.centre) / self.unit


def _probability_below(mean: Vector, deviation: Vector, limit: float) -> Vector:
    found: Vector = ndtr((limit - mean) / deviation)
    return found


def _expected_improvement(mean: Vector, deviation: Vector, best: float) -> Vector:
    ahead = (mean - best) / deviation
    return deviation * (ahead * ndtr(ahead) + norm.pdf(ahead))
