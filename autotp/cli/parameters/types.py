"""Click parameter types for durations, shapes, knobs and CPU lists; their errors show how to write a value."""

import re
from typing import Any

import click

from autotp.errors import AutotpError

Setting = tuple[str, Any]
NamedShape = tuple[str, tuple[int, ...]]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


class Duration(click.ParamType[float]):
    """A duration above zero, such as `90`, `90s`, `5m` or `1h30m`, in seconds."""

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
    """A knob and its value in YAML, such as `num_streams=2`; `words` also allows words such as `per_node`."""

    name = "knob=value"

    def __init__(self, words: bool = False) -> None:
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Setting:
        from autotp.files.yaml_loader import parse_yaml
        from autotp.space.knobs.table import Word, knob_named

        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not text.strip():
            self.fail(f"{value!r} isn't of the form knob=value, for example num_streams=2.", param, ctx)
        knob, parsed = knob_named(name.strip()), parse_yaml(text, f"{name}={text}")
        return knob.name, parsed if self._words and parsed in tuple(Word) else knob.parse(parsed)


class InputShape(click.ParamType[NamedShape]):
    """An input's name and its static shape, such as `x=[1,3,48,320]`; a size may be 0, as of an empty cache."""

    name = "input=[dims]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NamedShape:
        if isinstance(value, tuple):
            return value
        parts = re.fullmatch(r"\s*(.+?)\s*=\s*\[([0-9,\s]*)\]\s*", value)
        sizes = [size.strip() for size in parts[2].split(",")] if parts and parts[2].strip() else []
        if parts is None or not all(size.isdecimal() and int(size) < 2**31 for size in sizes):
            self.fail(f"{value!r} isn't a shape; write for example x=[1,3,48,320].", param, ctx)
        return parts[1], tuple(int(size) for size in sizes)


class CpuList(click.ParamType[tuple[int, ...]]):
    """CPU ids as the kernel writes them, such as `0-3,8`."""

    name = "cpus"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        from autotp.topology.tree.cpulist import parse_cpulist

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
    """Words separated by commas, such as `bf16,f16`."""

    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())


class Settings(click.ParamType[dict[str, Any]]):
    """Knobs from a tuned.yaml, from a YAML file of knobs, or typed as `num_streams=4,nireq=8`."""

    name = "file|knobs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        from autotp.measuring.compare.sides import read_settings

        try:
            return read_settings(value).to_dict()
        except AutotpError as error:
            return self.fail(str(error), param, ctx)
