"""All configs of a bound space as rows of integers in NumPy arrays: a million are merged in a second."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from autotp.errors import SpaceError
from autotp.space.knobs.config import Config
from autotp.space.schema.choices import BoundKnob, Choice, config_of

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

MAX_CONFIGS = 20_000_000  # at about 100 bytes each
_INACTIVE = -1
_TABLE = 2**22  # smaller keys are looked up in a table, larger ones sorted
_RANGE = 2**40  # larger keys are renumbered, so that they never overflow


class Grid:
    """All configs that the conditions of `knobs` allow, including those without an effect, in a fixed order."""

    def __init__(self, knobs: Sequence[BoundKnob]) -> None:
        self._knobs = {knob.name: knob for knob in knobs}
        self._columns: dict[str, npt.NDArray[np.int32]] = {}  # the index of each row's choice
        self.size = 1
        for knob in knobs:
            self._extend(knob)

    def config(self, row: int) -> Config:
        """Return the config of `row`."""
        return self._config(row, self._columns)

    def parts(self, names: Iterable[str]) -> tuple[Ids, list[Config]]:
        """Return, for each row, an index into the distinct configs of the knobs `names`; and these configs."""
        wanted = [name for name in names if name in self._columns]
        needed = dict.fromkeys(other for name in wanted for other in (*self._factors(name), name))
        ids, rows = distinct([self._columns[name] for name in needed], self.size)
        found = [self._config(int(row), needed).only(*wanted) for row in rows]
        parts = list(dict.fromkeys(found))  # different factors can give equal products
        index_of = {part: index for index, part in enumerate(parts)}
        return np.array([index_of[part] for part in found])[ids], parts

    def choices_of(self, name: str) -> npt.NDArray[np.int32]:
        """Return the index of each row's choice of the knob `name`, -1 where it isn't active."""
        return self._columns[name]

    def numbers(self, name: str) -> Ids:
        """Return each row's value of the count knob `name`, 0 where it isn't set."""
        ids, parts = self.parts((name,))
        return np.array([part.count(name) or 0 for part in parts])[ids]

    def having(self, settings: Iterable[tuple[str, object]]) -> Flags:
        """Return which rows have all of `settings`."""
        found = np.full(self.size, True)
        for name, value in settings:
            found &= self._has(name, (value,))
        return found

    def holds(self, config: Config) -> bool:
        """Whether `config` is one of the rows."""
        return bool((self.having(config.settings) & (self.knobs_set() == len(config.settings))).any())

    def knobs_set(self) -> Ids:
        """Return how many knobs each row sets."""
        counts = np.zeros(self.size, dtype=np.int64)
        for name in self._columns:
            counts += ~self._has(name, (None,))
        return counts

    def _extend(self, knob: BoundKnob) -> None:
        """Replace each row in which `knob` is active by one row for each choice of it."""
        active = np.full(self.size, True)
        for other, wanted in knob.when:
            active &= self._has(other, wanted)
        if knob.multiple_of is not None:
            active &= ~self._has(knob.multiple_of, (None,))
        copies = np.where(active, len(knob.choices), 1)
        self.size = int(copies.sum())
        if self.size > MAX_CONFIGS:
            raise SpaceError(f"The space has over {MAX_CONFIGS:,} configs here; give its knobs fewer values.")
        choice = np.arange(self.size) - np.repeat(np.cumsum(copies) - copies, copies)
        self._columns = {name: np.repeat(column, copies) for name, column in self._columns.items()}
        self._columns[knob.name] = np.where(np.repeat(active, copies), choice, _INACTIVE).astype(np.int32)

    def _has(self, name: str, values: tuple[object, ...]) -> Flags:
        """Return which rows give knob `name` one of `values`."""
        if name not in self._columns:
            return np.full(self.size, None in values)
        ids, parts = self.parts((name,))
        return np.array([part.get(name) in values for part in parts])[ids]

    def _config(self, row: int, names: Iterable[str]) -> Config:
        chosen: dict[str, Choice] = {}
        for name in names:
            index, knob = int(self._columns[name][row]), self._knobs[name]
            chosen[name] = None if index == _INACTIVE else knob.value(knob.choices[index], chosen)
        return config_of(chosen)

    def _factors(self, name: str) -> tuple[str, ...]:
        base = self._knobs[name].multiple_of
        return () if base is None else (*self._factors(base), base)


def distinct(columns: Sequence[npt.NDArray[np.integer]], size: int) -> tuple[Ids, Ids]:
    """Number the distinct rows of `columns` (integers, -1 or more; `size` rows each).

    Returns:
        The number of each row, and the first row of each number.
    """
    keys, span = np.zeros(size, dtype=np.int64), 1
    for column in columns:
        width = int(column.max(initial=0)) + 2
        if span * width > _RANGE:
            keys, span = np.unique(keys, return_inverse=True)[1], size
        keys, span = keys * width + (column + 1), span * width
    if span > _TABLE:
        _, rows, ids = np.unique(keys, return_index=True, return_inverse=True)
        return ids, rows
    first = np.full(span, -1, dtype=np.int64)
    first[keys[::-1]] = np.arange(size)[::-1]
    present = first >= 0
    return (np.cumsum(present) - 1)[keys], first[present]
