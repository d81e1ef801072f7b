"""Reads and checks search space files (YAML, as in `search_spaces/`); binding to a machine comes later."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import msgspec

from autotp.errors import SpaceError
from autotp.files.atomic import is_file
from autotp.files.yaml_loader import load_yaml, to_type
from autotp.space.knobs.table import Kind, Knob, Value, Word, knob_named

Item = Value | Word
_PACKAGE = Path(__file__).parents[2]
FOLDERS = (_PACKAGE / "search_spaces", _PACKAGE.parent / "search_spaces")


class Condition(msgspec.Struct, frozen=True):
    """A condition that is met if the knob named `knob` has one of the values `items`."""

    knob: str
    items: tuple[Item, ...]


class KnobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One knob of a space: its values as written (factors, if a multiple of another knob), and conditions."""

    knob: Knob
    items: tuple[Item, ...]
    when: tuple[Condition, ...] = ()
    multiple_of: str | None = None
    fixed: bool = False  # by the user: an error, not dropped, if its value can't run

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the knobs that this one depends on."""
        conditions = tuple(condition.knob for condition in self.when)
        return conditions if self.multiple_of is None else (*conditions, self.multiple_of)


class Space(msgspec.Struct, frozen=True):
    """A search space: the knobs to vary, each after those that it depends on."""

    name: str
    specs: tuple[KnobSpec, ...]

    def fixed(self, settings: Mapping[str, object]) -> "Space":
        """Return this space with each knob in `settings` fixed at one value, whatever its conditions.

        Raises:
            SpaceError: an unknown knob, or a value that it doesn't take.
        """
        fixed = [_fixed(knob_named(name), value) for name, value in settings.items()]
        kept = [spec for spec in self.specs if spec.knob.name not in settings]
        return Space(self.name, _in_order([*fixed, *kept]))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    knobs: dict[str, Any]
    name: str | None = None


class _Values(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    values: list[Any]
    when: dict[str, Any] = {}


class _MultipleOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    multiple_of: str
    by: list[Any]


def named_spaces() -> tuple[str, ...]:
    """Return the names of the spaces that come with autotp."""
    folder = next((folder for folder in FOLDERS if folder.is_dir()), None)
    return tuple(sorted(path.stem for path in folder.glob("*.yaml"))) if folder else ()


def load_space(name_or_file: str) -> Space:
    """Read the space `name_or_file`, which is the name of one that comes with autotp, or a YAML file.

    Raises:
        SpaceError: there is no such space, or the file isn't a valid space.
    """
    for folder in FOLDERS:
        if name_or_file in named_spaces() and (path := folder / f"{name_or_file}.yaml").is_file():
            return parse_space(load_yaml(path, SpaceError), name_or_file)
    path = Path(name_or_file)
    if not is_file(path):
        names = ", ".join(named_spaces())
        raise SpaceError(f"There is no space {name_or_file!r}: it's neither one of {names} nor a file.")
    return parse_space(load_yaml(path, SpaceError), str(path))


def parse_space(data: object, source: str) -> Space:
    """Check the parsed YAML `data` of `source` and return it as a Space.

    Raises:
        SpaceError: it isn't a valid space; the text names `source`, the knob and what is wrong.
    """
    file = to_type(data, _File, source, SpaceError)
    if not file.knobs:
        raise SpaceError(f"{source}: `knobs` is empty; name at least one knob to vary.")
    try:
        specs = [_spec(name, entry) for name, entry in file.knobs.items()]
        return Space(file.name or Path(source).stem, _in_order(specs))
    except SpaceError as error:
        raise SpaceError(f"{source}: {error}") from None


def _fixed(knob: Knob, value: object) -> KnobSpec:
    item = _item(knob, value)
    if item in (Word.EACH_SOCKET, Word.DIVISORS):
        raise SpaceError(f"{knob.name}: {item} stands for several values; a knob can be fixed at one value only.")
    return KnobSpec(knob=knob, items=(item,), fixed=True)


def _spec(name: str, entry: object) -> KnobSpec:
    knob = knob_named(name)
    if isinstance(entry, list):
        return KnobSpec(knob=knob, items=_items(knob, entry))
    if not isinstance(entry, dict):
        raise SpaceError(f"{name} takes a list, {{values, when}} or {{multiple_of, by}}, not {entry!r}.")
    if "multiple_of" in entry or "by" in entry:
        return _multiple(knob, to_type(entry, _MultipleOf, name, SpaceError))
    values = to_type(entry, _Values, name, SpaceError)
    conditions = tuple(_condition(knob, other, wanted) for other, wanted in values.when.items())
    return KnobSpec(knob=knob, items=_items(knob, values.values), when=conditions)


def _multiple(knob: Knob, entry: _MultipleOf) -> KnobSpec:
    base = knob_named(entry.multiple_of)
    for counted in (knob, base):
        if counted.kind is not Kind.COUNT:
            raise SpaceError(
                f"{knob.name}: `multiple_of` works only with knobs that take whole numbers from 1 up; "
                f"{counted.name} isn't one."
            )
    if any(isinstance(factor, str) for factor in entry.by):
        raise SpaceError(f"{knob.name}: `by` takes whole numbers, 1 or more, not words.")
    return KnobSpec(knob=knob, items=_items(knob, entry.by), multiple_of=base.name)


def _condition(knob: Knob, other: str, wanted: object) -> Condition:
    if other == knob.name:
        raise SpaceError(f"{knob.name}: its `when` names itself.")
    return Condition(other, _items(knob_named(other), wanted if isinstance(wanted, list) else [wanted]))


def _items(knob: Knob, entries: list[Any]) -> tuple[Item, ...]:
    if not entries:
        raise SpaceError(f"{knob.name}: an empty list; give at least one value.")
    return tuple(_item(knob, entry) for entry in entries)


def _item(knob: Knob, entry: object) -> Item:
    words = tuple(Word) if knob.kind in (Kind.COUNT, Kind.NODES) else (Word.DEFAULT,)
    if isinstance(entry, str) and entry in words:
        return Word(entry)
    return knob.parse(entry)


def _in_order(specs: list[KnobSpec]) -> tuple[KnobSpec, ...]:
    by_name = {spec.knob.name: spec for spec in specs}
    for spec in specs:
        for other in spec.needs:
            if other not in by_name:
                raise SpaceError(f"{spec.knob.name} depends on {other}, which this space doesn't hold.")
    try:
        order = TopologicalSorter({name: spec.needs for name, spec in by_name.items()}).static_order()
        return tuple(by_name[name] for name in order)
    except CycleError as error:
        raise SpaceError(f"the knobs depend on each other in a circle: {' → '.join(error.args[1])}.") from None
