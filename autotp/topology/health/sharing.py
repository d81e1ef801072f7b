"""Checks for CPUs that aren't listed, shared cores, CPU quotas, and the kernel's management of memory.

Sources: Documentation/admin-guide/{mm/transhuge,sysctl/kernel,cgroup-v2}.rst and
Documentation/scheduler/sched-bwc.rst in the kernel's tree.
"""

from autotp.topology.envelope.envelope import quota_folders
from autotp.topology.hardware.online import CPU_FOLDER, ONLINE, listed_cpus
from autotp.topology.health.advice import Advice, Inspection
from autotp.topology.privacy import public_path, public_text
from autotp.topology.tree.cpulist import format_cpulist

_HUGE_PAGES = "sys/kernel/mm/transparent_hugepage/enabled"
_NUMA_BALANCING = "proc/sys/kernel/numa_balancing"


def other_cpus_listed(inspection: Inspection) -> Advice | None:
    """Advise if this process runs on CPUs that the machine's files don't list as online."""
    if inspection.topology.machine.listed:
        return None
    return Advice(
        id="other_cpus_listed",
        seen=f"this process may run on CPUs {format_cpulist(inspection.topology.envelope.cpus)}, but /{ONLINE} "
        f"lists {format_cpulist(listed_cpus(inspection.tree))}; autotp takes the former as the machine's CPUs",
        why="OpenVINO reads that file: it uses only CPUs that both name, and can't compile if there are none",
        do="let the container see the host's CPUs: LXCFS without --enable-cfs, or no mount of it over "
        f"/{CPU_FOLDER} and /proc/stat",
    )


def siblings_outside(inspection: Inspection) -> Advice | None:
    """Advise if others may use hardware threads of cores that the envelope has only in part."""
    ours = {cpu.core for cpu in inspection.allowed}
    within = {cpu.id for cpu in inspection.allowed}
    others = [cpu for cpu in inspection.topology.machine.cpus if cpu.core in ours and cpu.id not in within]
    if not others:
        return None
    cores = len({cpu.core for cpu in others})
    return Advice(
        id="smt_siblings_outside",
        seen=f"{cores} of {len(ours)} cores have a second hardware thread that this process may not use: "
        f"CPUs {format_cpulist(cpu.id for cpu in others)}",
        why="a process there takes up to half of a core that is measured, and autotp can't see it",
        do="give this process whole cores (the host's cpuset), or keep those CPUs idle",
    )


def siblings_inside(inspection: Inspection) -> Advice | None:
    """Advise if the envelope has several hardware threads of a core."""
    first = {cpu.core: cpu.id for cpu in reversed(inspection.allowed)}
    if len(first) == len(inspection.allowed):
        return None
    threads = len(inspection.allowed)
    return Advice(
        id="smt_siblings_inside",
        seen=f"this process may use {threads} CPUs, which are on only {len(first)} cores",
        why="a config is slower at times when the scheduler happens to put two of its threads on one core",
        do=f"to measure on one CPU of each core: taskset -c {format_cpulist(first.values())} autotp ...",
    )


def huge_pages(inspection: Inspection) -> Advice | None:
    """Advise if transparent huge pages are always or never used; `madvise` leaves them to the program."""
    setting = public_text(_HUGE_PAGES, inspection.tree.text(_HUGE_PAGES) or "")
    if "[always]" in setting:
        why = "the kernel makes huge pages when it has time, so two equal processes differ"
    elif "[never]" in setting:
        why = "where they are on, another config may be fastest: compare only figures from equal settings"
    else:
        return None
    return Advice(
        id="transparent_huge_pages",
        seen=f"/{_HUGE_PAGES} is {setting}",
        why=why,
        do="use the setting of the machine where the model will run; for steady figures: "
        f"echo madvise | sudo tee /{_HUGE_PAGES}",
    )


def numa_balancing(inspection: Inspection) -> Advice | None:
    """Advise against NUMA balancing: the kernel moves pages between nodes during a measurement."""
    nodes = inspection.topology.machine.numa_nodes
    mode = inspection.tree.number(_NUMA_BALANCING)
    if not mode or nodes < 2:
        return None
    return Advice(
        id="numa_balancing",
        seen=f"/{_NUMA_BALANCING} is {mode} on {nodes} NUMA nodes",
        why="the kernel unmaps pages for a moment to see who uses them, and moves them between nodes",
        do="sudo sysctl kernel.numa_balancing=0",
    )


def quota(inspection: Inspection) -> Advice | None:
    """Advise if the CPU quota is smaller than the number of CPUs."""
    envelope = inspection.topology.envelope
    if envelope.cpu_quota is None or envelope.cpu_quota >= len(envelope.cpus):
        return None
    return Advice(
        id="cpu_quota",
        seen=f"a quota of {envelope.cpu_quota:g} CPU(s) on {len(envelope.cpus)} CPUs, set by "
        f"{public_path(envelope.reasons.cpu_quota_folder or '', {})}, "
        f"in periods of {envelope.cpu_quota_period_s:g} s",
        why="OpenVINO ignores the quota: if more threads run, all are stopped for a part of each period; and as "
        "blocks last whole periods, after one that isn't timed, long periods need long budgets",
        do="give whole CPUs instead of a share (docker run --cpuset-cpus, a Kubernetes static CPU policy), "
        "or raise the quota on the host",
    )


def quota_throttling(inspection: Inspection) -> Advice | None:
    """Advise if a quota has already stopped one of this process's groups."""
    found = [(folder, *_throttled(inspection, folder)) for folder in quota_folders(inspection.tree)]
    folder, times, periods = max(found, key=lambda group: group[1], default=("", 0, 0))
    if times == 0:
        return None
    return Advice(
        id="quota_throttling",
        seen=f"the CPU quota has stopped {public_path(f'/{folder}', {})} in {times} of {periods} periods",
        why="all threads stop until the period ends, which makes the slowest inferences much slower",
        do="use no more threads than the quota has CPUs, as autotp's spaces do, or raise the quota on the host",
    )


def _throttled(inspection: Inspection, folder: str) -> tuple[int, int]:
    lines = (line.split() for line in (inspection.tree.text(f"{folder}/cpu.stat") or "").splitlines())
    facts = {line[0]: int(line[1]) for line in lines if len(line) == 2 and _is_count(line[1])}
    return facts.get("nr_throttled", 0), facts.get("nr_periods", 0)


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= 20
