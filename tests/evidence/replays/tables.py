"""Tables of exhaustive measurements as CSV: parameters first, then objectives, whose names end in + or -."""

import csv
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from autotp.errors import InputError
from autotp.tuning.propose.features import Column

MISSING = {"", "?", "nan", "none"}  # in lower case
GOALS = ("+", "-")  # more is better, less is better


class Table(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """All configs of something, one a row, and what each gave.

    Attributes:
        names: of the parameters.
        columns: the parameters, each with a code for each row.
        values: of the objective, as they were measured.
        maximize: whether more is better.
    """

    names: tuple[str, ...]
    columns: tuple[Column, ...]
    values: NDArray[np.float64]
    maximize: bool

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """What a search is to maximise: logarithms if all values are above zero, negated if less is better."""
        scale = np.log(self.values) if self.values.min() > 0.0 else self.values
        return scale if self.maximize else -scale

    def way_gone(self, row: int) -> float:
        """Return how much of the way from the table's median to its best `row` is; 1 is the best."""
        best, middle = self._best, float(np.median(self.values))
        return 1.0 if best == middle else float((self.values[row] - middle) / (best - middle))

    def ratio(self, row: int) -> float:
        """Return the value of `row` as a ratio to the best: 1 for the best, less for others; 0 without a ratio."""
        value, best = float(self.values[row]), self._best
        if value == best:
            return 1.0
        above, below = (value, best) if self.maximize else (best, value)
        return max(0.0, above / below) if below else 0.0

    @property
    def _best(self) -> float:
        return float(self.values.max() if self.maximize else self.values.min())


def read_table(path: Path, objective: str) -> Table:
    """Read the CSV at `path`; columns may hold numbers or texts, and blanks around them don't count.

    A row whose value is missing is left out.

    Raises:
        InputError: the file can't be read, has no such objective or no rows, or a row has another number of cells.
    """
    header, rows = _lines(path)
    objectives = _objectives(header)
    if (wanted := objective.strip()) not in objectives:
        raise InputError(f"{path} has no objective {wanted!r}; it has {', '.join(objectives) or 'none'}.")
    for number, line in rows:
        if len(line) != len(header):
            raise InputError(f"{path}, line {number}: {len(line)} cells where the header has {len(header)}.")
    place = len(header) - len(objectives) + objectives.index(wanted)
    measured = [line for _, line in rows if line[place].lower() not in MISSING]
    if not measured:
        raise InputError(f"{path} holds no measurement of {wanted}.")
    values = [_number(line[place]) for line in measured]
    if None in values:
        raise InputError(f"{path}: {measured[values.index(None)][place]!r} in column {wanted} is no number.")
    names = header[: len(header) - len(objectives)]
    return Table(
        names=tuple(names),
        columns=tuple(_column([line[index] for line in measured]) for index in range(len(names))),
        values=np.array(values, dtype=np.float64),
        maximize=wanted.endswith("+"),
    )


def objectives_in(path: Path) -> list[str]:
    """Return the names of the objectives of the table at `path`.

    Raises:
        InputError: the file can't be read.
    """
    return _objectives(_lines(path)[0])


def _lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header and, with their numbers in the file, the other lines that aren't empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [[cell.strip() for cell in line] for line in csv.reader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} can't be read: {error}.") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if any(line)]
    if not numbered:
        raise InputError(f"{path} is empty.")
    return numbered[0][1], numbered[1:]


def _objectives(header: Sequence[str]) -> list[str]:
    """Return the last names of `header` that end in + or -."""
    count = 0
    while count < len(header) and header[-count - 1].endswith(GOALS):
        count += 1
    return list(header[len(header) - count :])


def _column(cells: Sequence[str]) -> Column:
    present = [cell for cell in cells if cell.lower() not in MISSING]
    numbers = {cell: _number(cell) for cell in present}
    is_numeric = None not in numbers.values()
    found = [None if cell.lower() in MISSING else numbers[cell] if is_numeric else cell for cell in cells]
    levels: dict[object, int] = {}
    codes = [levels.setdefault(value, len(levels)) for value in found]
    return Column(tuple(levels), np.array(codes, dtype=np.int64))


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
