"""How options are declared: once, as keys of a TypedDict, for both the command line and Python.

`Annotated[type, Flag(...)]` says how the command line shows a key; `tune`, `measure` and `compare` take the same
keys as keyword arguments. Error messages name an option with `spell`: users of the command line read `--rate`,
callers from Python `rate_per_s`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, get_type_hints

# Keys are plural where a flag is repeated.
FLAGS = {
    "objectives": "--objective",
    "constraints": "--constraint",
    "shapes": "--shape",
    "settings": "--set",
}


class Form(StrEnum):
    """How the command line parses a value."""

    TEXT = "text"
    TEXTS = "texts"  # the flag may be repeated
    WORDS = "words"  # separated by commas
    COUNT = "count"  # 1 or more
    SEED = "seed"
    NUMBER = "number"
    SECONDS = "seconds"
    PATH = "path"
    SWITCH = "switch"
    SHAPES = "shapes"  # name=[dims], may be repeated
    KNOBS = "knobs"  # knob=value, may be repeated
    KNOB_VALUES = "knob values"  # the same, without words such as per_node, whose value depends on the machine
    SETTINGS = "settings"  # a file of knobs, or knob=value,…
    CPUS = "cpus"


@dataclass(frozen=True)
class Flag:
    """How the command line shows an option.

    Attributes:
        form: how its value is parsed.
        help: its help text, of one or two lines.
        metavar: the placeholder for its value in the help.
        default: the value shown as default in the help; None shows none.
        of_workload: whether a workload declares it; these are listed after the command's own.
    """

    form: Form
    help: str
    metavar: str | None = None
    default: Any = None
    of_workload: bool = False


NoWait = Annotated[
    bool, Flag(Form.SWITCH, "Fail instead of waiting if another autotp measures on this machine.", default=False)
]
AllowPrecision = Annotated[
    Sequence[str],
    Flag(
        Form.WORDS,
        "Allow what is less exact than OpenVINO's default: bf16, u4, ... or a knob such as enable_sage_attn.",
        "LIST",
    ),
]


class Spelling(StrEnum):
    """How error messages spell options: as flags, or as keyword arguments."""

    COMMAND_LINE = "command line"
    PYTHON = "python"


_spelling: ContextVar[Spelling] = ContextVar("spelling", default=Spelling.PYTHON)


def flag_of(name: str) -> str:
    """Return the command line's flag for the option `name`: without its unit, as values carry that there."""
    without_unit = name.removesuffix("_per_s").removesuffix("_s")
    return FLAGS.get(name, "--" + without_unit.replace("_", "-"))


def spelling() -> Spelling:
    """Return how options are spelled for the present caller."""
    return _spelling.get()


@contextmanager
def spelled_for(caller: Spelling) -> Iterator[None]:
    """Spell options for `caller` within the `with` block."""
    token = _spelling.set(caller)
    try:
        yield
    finally:
        _spelling.reset(token)


def spell(name: str, value: Any = None) -> str:
    """Return the option `name` as the caller spells it, with `value` as an example where one is given.

    Values are numbers, words, shapes by input name, or True: a switch, whose flag has no value.
    """
    if _spelling.get() is Spelling.PYTHON:
        return name if value is None else f"{name}={value!r}"
    flag = flag_of(name)
    if isinstance(value, Mapping):
        return " ".join(f"{flag} '{key}=[{','.join(map(str, item))}]'" for key, item in value.items())
    return flag if value is None or value is True else f"{flag} {value}"


def flags_of(options: type) -> dict[str, Flag]:
    """Return the flag of each key of the TypedDict `options`, those of workloads last."""
    hints = get_type_hints(options, include_extras=True)
    found = {name: getattr(hints[name], "__metadata__", ()) for name in options.__annotations__}
    flags = {name: flag for name, notes in found.items() for flag in notes if isinstance(flag, Flag)}
    return dict(sorted(flags.items(), key=lambda item: item[1].of_workload))


def refuse_unknown(options: type, given: Mapping[str, Any], function: str) -> None:
    """Refuse keyword arguments that `options` doesn't declare, as Python does for a function's own.

    Raises:
        TypeError: an argument is unknown; the message names it and `function`.
    """
    if unknown := given.keys() - options.__annotations__.keys():
        raise TypeError(f"{function}() got an unexpected keyword argument {min(unknown)!r}")
