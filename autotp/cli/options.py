"""The command line's options, made from those that Python's functions declare."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from autotp.cli.params import CpuList, Duration, InputShape, KnobSetting, Settings, Words
from autotp.options import Flag, Form, flag_of, flags_of

Command = TypeVar("Command", bound=Callable[..., Any])

_FORMS: dict[Form, dict[str, Any]] = {
    Form.TEXT: {},
    Form.TEXTS: {"multiple": True},
    Form.WORDS: {"type": Words()},
    Form.COUNT: {"type": click.IntRange(min=1)},
    Form.SEED: {"type": click.IntRange(0, 2**32 - 1)},
    Form.NUMBER: {"type": click.FLOAT},
    Form.SECONDS: {"type": Duration()},
    Form.PATH: {"type": click.Path(path_type=Path)},
    Form.SWITCH: {"is_flag": True, "default": None},
    Form.SHAPES: {"type": InputShape(), "multiple": True},
    Form.KNOBS: {"type": KnobSetting(words=True), "multiple": True},
    Form.KNOB_VALUES: {"type": KnobSetting(), "multiple": True},
    Form.SETTINGS: {"type": Settings()},
    Form.CPUS: {"type": CpuList()},
}
_MAPPINGS = (Form.SHAPES, Form.KNOBS, Form.KNOB_VALUES)


def options(declared: type) -> Callable[[Command], Command]:
    """Give a command the options that the TypedDict `declared` declares; `given` reads what came of them."""

    def decorate(command: Command) -> Command:
        for name, flag in reversed(flags_of(declared).items()):
            help_text = flag.help + _default(flag)
            option = click.option(flag_of(name), name, metavar=flag.metavar, help=help_text, **_FORMS[flag.form])
            command = option(command)
        return command

    return decorate


def given(declared: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of `values` that were typed, as Python's functions take them."""
    flags = flags_of(declared)
    typed = {name: value for name, value in values.items() if value is not None and value != ()}
    return {name: dict(value) if flags[name].form in _MAPPINGS else value for name, value in typed.items()}


def _default(flag: Flag) -> str:
    if flag.default is None or flag.default in (False, {}):
        return ""
    if flag.form is Form.SECONDS:
        minutes, seconds = divmod(flag.default, 60)
        return f"  [default: {minutes:g}m]" if minutes > 1 and not seconds else f"  [default: {flag.default:g}s]"
    return f"  [default: {flag.default}]"
