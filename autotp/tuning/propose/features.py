"""Candidates as points: those whose settings are alike lie close together.

A number becomes its rank among the numbers that occur, from 0 to 1, so that 1, 2, 4 and 64 are equally far
apart: what sets streams, threads or buffers is usually tried at growing distances. Other values (texts, flags)
are equally far from one another. A number that may be absent, because something else then chooses it, has a
dimension of its own for that.
"""

from collections.abc import Sequence
from functools import cached_property
from math import sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Flags = NDArray[np.bool_]

_UNSET = 0.5  # the place of an absent number: between the others


class Column(msgspec.Struct, frozen=True):
    """One parameter of all candidates: the values that it may have, and which of them each candidate has.

    `levels` may hold numbers, texts, flags, tuples and None (absent); `codes` are indices, one for each candidate.
    """

    levels: tuple[object, ...]
    codes: NDArray[np.integer]


class Features(msgspec.Struct, frozen=True, dict=True):
    """Where candidates lie.

    Attributes:
        points: a row for each candidate, a column for each coordinate, within 0 and 1.
        dimensions: for each coordinate the number of the dimension that it belongs to. Coordinates of one
            dimension are only meaningful together.
    """

    points: Points
    dimensions: NDArray[np.int64]

    @classmethod
    def of(cls, columns: Sequence[Column]) -> "Features":
        """Place candidates by their parameters; one that is the same for all is left out.

        Args:
            columns: the parameters, each with as many codes as there are candidates.
        """
        parts: list[Points] = []
        dimensions: list[int] = []
        for column in columns:
            for coordinates in _coordinates(column):
                parts.append(coordinates[column.codes])
                dimensions += [dimensions[-1] + 1 if dimensions else 0] * coordinates.shape[1]
        size = len(columns[0].codes) if columns else 0
        points = np.concatenate(parts, axis=1) if parts else np.zeros((size, 0))
        return cls(points, np.array(dimensions, dtype=np.int64))

    def neighbours(self, row: int, candidates: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of `candidates` that differ from candidate `row` in one dimension alone."""
        differ = (self._places != self._places[row]).sum(axis=1)
        found: NDArray[np.int64] = candidates[differ[candidates] == 1]
        return found

    @cached_property
    def _places(self) -> NDArray[np.int32]:
        """The places of the candidates by number: a row for each candidate, a column for each dimension."""
        columns = [_numbered(self.points[:, self.dimensions == each]) for each in np.unique(self.dimensions)]
        return np.array(columns, dtype=np.int32).T.copy()


def _numbered(coordinates: Points) -> NDArray[np.integer]:
    """Return a number for each place in one dimension; of several coordinates, one alone isn't 0."""
    if coordinates.shape[1] > 1:
        alone: NDArray[np.integer] = coordinates.argmax(axis=1)
        return alone
    found: NDArray[np.integer] = np.unique(coordinates[:, 0], return_inverse=True)[1]
    return found


def _coordinates(column: Column) -> list[Points]:
    """Return for each dimension of `column` the coordinates of its levels, a row for each."""
    used = {column.levels[code] for code in np.unique(column.codes)}
    if len(used) < 2:
        return []
    numbers = sorted({level for level in used if _is_number(level)})
    if any(level is not None and not _is_number(level) for level in used):
        return [np.eye(len(column.levels)) / sqrt(2.0)]
    rank = {number: place / max(1, len(numbers) - 1) for place, number in enumerate(numbers)}
    ranks = np.array([[rank.get(level, _UNSET) if _is_number(level) else _UNSET] for level in column.levels])
    absent = np.array([[float(level is None)] for level in column.levels])
    return [part for part in (ranks, absent) if len(np.unique(part[np.unique(column.codes)])) > 1]


def _is_number(level: object) -> bool:
    return isinstance(level, int | float) and not isinstance(level, bool)
