"""Advice about clocks: governors, turbo, heat."""

from pathlib import Path

import pytest

from tests.support.cpu_tables import CPU
from tests.support.health_advice import advice


def test_governors_are_counted(tmp_path: Path) -> None:
    """Each governor but performance is named with its number of CPUs."""
    names = ("performance", "powersave", "schedutil", "powersave")
    facts = {f"{CPU}/cpu{cpu}/cpufreq/scaling_governor": name for cpu, name in enumerate(names)}
    assert "powersave on 2 of 4 CPUs and schedutil on 1 of 4 CPUs" in advice(tmp_path, facts)["governor"].seen


def test_governors_of_other_cpus_do_not_matter(tmp_path: Path) -> None:
    """Only the CPUs of the envelope are looked at, and performance needs no advice."""
    facts = {
        f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
        f"{CPU}/cpu7/cpufreq/scaling_governor": "powersave",
        "proc/self/status": "Cpus_allowed_list: 0-3",
    }
    assert "governor" not in advice(tmp_path, facts)


@pytest.mark.parametrize(
    ("name", "text", "command"),
    [
        ("intel_pstate/no_turbo", "0", "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"),
        ("intel_pstate/no_turbo", "1", None),
        ("cpufreq/boost", "1", "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"),
        ("cpufreq/boost", "0", None),
    ],
)
def test_turbo_has_two_switches(tmp_path: Path, name: str, text: str, command: str | None) -> None:
    """Intel's driver and the others say it the other way round; the command fits the file."""
    found = advice(tmp_path, {f"{CPU}/{name}": text}).get("turbo")
    assert (found is None) if command is None else (found is not None and found.do.endswith(command))


def test_heat_is_told_with_its_counts(tmp_path: Path) -> None:
    """The highest counts of a core and of a package are reported; zero gives no advice."""
    folder = f"{CPU}/cpu{{}}/thermal_throttle/"
    facts = {f"{folder.format(cpu)}core_throttle_count": f"{cpu}" for cpu in range(4)}
    facts[f"{folder.format(2)}package_throttle_count"] = "90"
    seen = advice(tmp_path, facts)["thermal_throttling"].seen
    assert "3 times on a core and 90 times on a package" in seen
    assert "thermal_throttling" not in advice(tmp_path, dict.fromkeys(facts, "0"))
