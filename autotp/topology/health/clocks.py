"""Checks for clocks that change during a measurement: governors, turbo, and thermal throttling.

Sources: Documentation/admin-guide/pm/{cpufreq,intel_pstate,amd-pstate}.rst in the kernel's tree; the counters
are those of arch/x86/kernel/cpu/mce/therm_throt.c.
"""

from collections import Counter

from autotp.topology.hardware.online import CPU_FOLDER
from autotp.topology.health.advice import Advice, Inspection
from autotp.topology.privacy import public_text

_NO_TURBO = f"{CPU_FOLDER}/intel_pstate/no_turbo"
_BOOST = f"{CPU_FOLDER}/cpufreq/boost"


def governor(inspection: Inspection) -> Advice | None:
    """Advise against a governor that follows the load: each block would start at another clock."""
    files = (f"{CPU_FOLDER}/cpu{cpu.id}/cpufreq/scaling_governor" for cpu in inspection.allowed)
    found = Counter(name for file in files if (name := public_text(file, inspection.tree.text(file) or "")))
    others = {name: count for name, count in found.items() if name != "performance"}
    if not others:
        return None
    shares = " and ".join(f"{name} on {count} of {found.total()} CPUs" for name, count in sorted(others.items()))
    return Advice(
        id="governor",
        seen=f"the frequency governor is {shares}",
        why="the clock follows the load, so a short block is measured while it still rises",
        do="sudo cpupower frequency-set -g performance",
    )


def turbo(inspection: Inspection) -> Advice | None:
    """Advise against turbo: its clocks depend on heat and on how many cores are busy."""
    if inspection.tree.number(_NO_TURBO) == 0:
        seen, command = f"/{_NO_TURBO} is 0", f"echo 1 | sudo tee /{_NO_TURBO}"
    elif inspection.tree.number(_BOOST) == 1:
        seen, command = f"/{_BOOST} is 1", f"echo 0 | sudo tee /{_BOOST}"
    else:
        return None
    return Advice(
        id="turbo",
        seen=f"turbo is on ({seen})",
        why="the clock drifts with heat and with the number of busy cores, so runs minutes apart differ",
        do=f"for steadier figures, slower than those of production: {command}",
    )


def thermal(inspection: Inspection) -> Advice | None:
    """Advise if heat has lowered clocks since boot, by the kernel's counters."""
    cores = _highest(inspection, "core_throttle_count")
    packages = _highest(inspection, "package_throttle_count")
    if not (cores or packages):
        return None
    return Advice(
        id="thermal_throttling",
        seen=f"since boot heat lowered the clock up to {cores} times on a core and {packages} times on a package",
        why="a hot processor is slower than the same processor a minute later",
        do="improve the cooling and check whether the counters in "
        f"/{CPU_FOLDER}/cpu*/thermal_throttle still rise; only the host can",
    )


def _highest(inspection: Inspection, name: str) -> int:
    counts = (
        inspection.tree.number(f"{CPU_FOLDER}/cpu{cpu.id}/thermal_throttle/{name}") for cpu in inspection.allowed
    )
    return max((count for count in counts if count is not None), default=0)
