"""What people type, parsed: durations, shapes, knobs, CPU lists. Each type says what it wanted."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from autotp.errors import AutotpError

Callback = TypeVar("Callback", bound=Callable[..., Any])
Setting = tuple[str, Any]
NamedShape = tuple[str, tuple[int, ...]]

no_wait_option = click.option(
    "--no-wait", is_flag=True, help="Fail if something else measures here, rather than wait."
)

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


class Duration(click.ParamType[float]):
    """`90`, `90s`, `5m`, `1h30m`: seconds, more than zero."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", value)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if "".join(number + unit for number, unit in parts) != value or seconds <= 0:
            self.fail(f"{value!r} isn't a duration; write for example 90s, 5m or 1h30m.", param, ctx)
        return seconds


class KnobSetting(click.ParamType[Setting]):
    """`num_streams=2`: a knob and its value, read as YAML reads it; with `words` also `per_node` and the like."""

    name = "knob=value"

    def __init__(self, words: bool = False) -> None:
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Setting:
        from autotp.files import parse_yaml
        from autotp.space import Word, knob_named

        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not text.strip():
            self.fail(f"{value!r} isn't of the form knob=value, for example num_streams=2.", param, ctx)
        knob, parsed = knob_named(name.strip()), parse_yaml(text, f"{name}={text}")
        return knob.name, parsed if self._words and parsed in tuple(Word) else knob.parse(parsed)


class InputShape(click.ParamType[NamedShape]):
    """`x=[1,3,48,320]`: an input's name and its static shape."""

    name = "input=[dims]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NamedShape:
        if isinstance(value, tuple):
            return value
        parts = re.fullmatch(r"\s*(.+?)\s*=\s*\[([0-9,\s]*)\]\s*", value)
        sizes = [size.strip() for size in parts[2].split(",")] if parts and parts[2].strip() else []
        if parts is None or not all(size.isdigit() and 0 < int(size) < 2**31 for size in sizes):
            self.fail(f"{value!r} isn't a shape; write for example x=[1,3,48,320].", param, ctx)
        return parts[1], tuple(int(size) for size in sizes)


class CpuList(click.ParamType[tuple[int, ...]]):
    """`0-3,8`: CPU ids as the kernel writes them."""

    name = "cpus"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        from autotp.topology import parse_cpulist

        if isinstance(value, tuple):
            return value
        try:
            cpus = parse_cpulist(value)
        except ValueError:
            cpus = ()
        if not cpus:
            self.fail(f"{value!r} isn't a list of CPUs; write for example 0-3,8.", param, ctx)
        return cpus


class Words(click.ParamType[tuple[str, ...]]):
    """`bf16,f16`: words between commas."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())


class Settings(click.ParamType[dict[str, Any]]):
    """A tuned.yaml, a YAML file of knobs, or `num_streams=4,nireq=8`."""

    name = "file|knobs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        try:
            return _settings(value)
        except AutotpError as error:
            return self.fail(str(error), param, ctx)


class ObjectiveOption(click.Option):
    """An option for the name of an objective; the table of metrics is read only where its help is shown."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from autotp.findings import GENERATIONS, INFERENCES, metrics_of, objectives_of

        names, of_language = (", ".join(map(str, objectives_of(metrics_of(s)))) for s in (INFERENCES, GENERATIONS))
        self.help = (
            f"{names}; of a language model {of_language}. Of several the first decides.  "
            "[default: throughput, of a language model second_token_latency]"
        )
        return super().get_help_record(ctx)


rate_option = click.option(
    "--rate",
    "rate_per_s",
    type=click.FLOAT,
    metavar="R",
    help="Inferences a second that arrive by chance; latency counts from the arrival.",
)


_TOKEN_COUNT = click.IntRange(min=1)
_TOKEN_OPTIONS = (
    click.option("--prompt-tokens", type=_TOKEN_COUNT, metavar="N", help="Of a language model: in each prompt."),
    click.option("--new-tokens", type=_TOKEN_COUNT, metavar="N", help="Of a language model: after each prompt."),
    click.option("--batch", type=_TOKEN_COUNT, metavar="N", help="Of a language model: prompts at once."),
    click.option(
        "--attention-backend",
        metavar="SDPA|PA",
        help="Of a language model, as it's deployed: SDPA, with state (default), or PA, as GenAI has it.",
    ),
)


def token_options(command: Callback) -> Callback:
    """Give `command` the options that say what a language model is asked for."""
    for option in reversed(_TOKEN_OPTIONS):
        command = option(command)
    return command


def _settings(value: str) -> dict[str, Any]:
    from autotp.deploy import read_tuned
    from autotp.errors import InputError
    from autotp.files import load_yaml, parse_yaml
    from autotp.space import Config

    path = Path(value)
    if not path.is_file() and "=" not in value:
        raise InputError(f"{value!r} is neither a file nor of the form num_streams=4,nireq=8.")
    data = load_yaml(path) if path.is_file() else parse_yaml("{" + value.replace("=", ": ") + "}", value)
    if isinstance(data, dict) and "autotp" in data:
        data = read_tuned(path).profiles[0].config
    if not isinstance(data, dict) or not data:
        raise InputError(f"{value!r} holds no knobs.")
    return Config.of(data).to_dict()
