"""Reads from the kernel how much CPU time others took on this process's CPUs during a block."""

import resource
from collections.abc import Iterable
from time import perf_counter, process_time

import msgspec

from autotp.measuring.samples.block import Weather
from autotp.topology.envelope.cpu_usage import Usage, UsageReader


class CpuWeather:
    """Reads the kernel's accounts of this process's CPUs, before and after a block."""

    def __init__(self, cpus: Iterable[int]) -> None:
        self._cpus = frozenset(cpus)
        self._reader = UsageReader(self._cpus)

    def read(self) -> "CpuAccounts":
        """Return the accounts as they are now."""
        switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        return CpuAccounts(at_s=perf_counter(), own_s=process_time(), switches=switches, usage=self._reader.read())

    def since(self, before: "CpuAccounts") -> Weather:
        """Return the weather since `before`."""
        now = self.read()
        used = now.usage.since(before.usage)
        return Weather(
            watched_s=now.at_s - before.at_s,
            cpus=len(self._cpus),
            steal_s=used.steal_s,
            others_s=max(0.0, used.busy_s - (now.own_s - before.own_s)),
            throttled_s=used.throttled_s,
            switches=now.switches - before.switches,
        )


class CpuAccounts(msgspec.Struct, frozen=True, kw_only=True):
    """The accounts at one moment: CPU time of this process, and of all processes."""

    at_s: float
    own_s: float
    switches: int
    usage: Usage
