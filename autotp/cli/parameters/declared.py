"""Click options, made from the options that `tune`, `measure` and `compare` declare."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from autotp.cli.parameters.types import CpuList, Duration, InputShape, KnobSetting, Settings, Words
from autotp.options import Flag, Form, flag_of, flags_of

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


class DeclaredCommand(click.Command):
    """A command that has, besides its own parameters, the options that a TypedDict declares.

    `declared` names the TypedDict, for example `autotp.tuning.options:TuneOptions`. It is imported only when the
    command's parameters are needed, so that listing all commands stays quick.
    """

    def __init__(self, *args: Any, declared: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._declared = declared

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the arguments, the declared options, and the command's own options, `--help` last."""
        own = super().get_params(ctx)
        arguments = [param for param in own if isinstance(param, click.Argument)]
        others = [param for param in own if not isinstance(param, click.Argument)]
        return [*arguments, *_options(self._declared), *others]


@cache
def _options(declared: str) -> tuple[click.Option, ...]:
    module, _, name = declared.partition(":")
    flags = flags_of(getattr(import_module(module), name))
    return tuple(
        click.Option(
            [flag_of(name), name], metavar=flag.metavar, help=flag.help + _default(flag), **_FORMS[flag.form]
        )
        for name, flag in flags.items()
    )


def given(declared: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of `values` that were set on the command line, as keyword arguments for Python's functions."""
    flags = flags_of(declared)
    typed = {name: value for name, value in values.items() if value is not None and value != ()}
    return {name: dict(value) if flags[name].form in _MAPPINGS else value for name, value in typed.items()}


def _default(flag: Flag) -> str:
    if flag.default is None or flag.default is False or flag.default == {}:
        return ""
    if flag.form is Form.SECONDS:
        minutes, seconds = divmod(flag.default, 60)
        return f"  [default: {minutes:g}m]" if minutes > 1 and not seconds else f"  [default: {flag.default:g}s]"
    return f"  [default: {flag.default}]"
