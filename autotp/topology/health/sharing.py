"""What the process shares: cores with sibling threads, CPU time with a quota, and memory with the kernel's habits.

Sources: Documentation/admin-guide/{mm/transhuge,sysctl/kernel,cgroup-v2}.rst and
Documentation/scheduler/sched-bwc.rst in the kernel's tree.
"""

from autotp.topology.envelope.envelope import quota_folders
from autotp.topology.health.advice import Advice, Scene
from autotp.topology.privacy import public_path, public_text
from autotp.topology.tree.cpulist import format_cpulist

_HUGE_PAGES = "sys/kernel/mm/transparent_hugepage/enabled"
_NUMA_BALANCING = "proc/sys/kernel/numa_balancing"


def siblings_outside(scene: Scene) -> Advice | None:
    """Cores of which the envelope has some threads and others may use the rest."""
    ours = {cpu.core for cpu in scene.allowed}
    within = {cpu.id for cpu in scene.allowed}
    others = [cpu for cpu in scene.topology.machine.cpus if cpu.core in ours and cpu.id not in within]
    if not others:
        return None
    cores = len({cpu.core for cpu in others})
    return Advice(
        id="smt_siblings_outside",
        seen=f"{cores} of {len(ours)} cores have a sibling CPU outside of the envelope: "
        f"CPUs {format_cpulist(cpu.id for cpu in others)}",
        why="whoever runs there takes up to half of a core that is measured, and nothing here shows it",
        do="give this process whole cores (the host's cpuset), or keep those CPUs idle",
    )


def siblings_inside(scene: Scene) -> Advice | None:
    """Cores of which the envelope has several threads."""
    first = {cpu.core: cpu.id for cpu in reversed(scene.allowed)}
    if len(first) == len(scene.allowed):
        return None
    threads = len(scene.allowed)
    return Advice(
        id="smt_siblings_inside",
        seen=f"the envelope has {threads} CPUs on {len(first)} cores",
        why="a config that puts two threads on one core is slower by chance, as the scheduler places them",
        do=f"to measure on one CPU of each core: taskset -c {format_cpulist(first.values())} autotp ...",
    )


def huge_pages(scene: Scene) -> Advice | None:
    """Transparent huge pages always or never; `madvise` leaves them to the program."""
    setting = public_text(_HUGE_PAGES, scene.tree.text(_HUGE_PAGES) or "")
    if "[always]" in setting:
        why = "the kernel makes huge pages when it finds the time, so equal processes differ"
    elif "[never]" in setting:
        why = "a host that has them can rank the configs differently: compare figures from equal settings only"
    else:
        return None
    return Advice(
        id="transparent_huge_pages",
        seen=f"/{_HUGE_PAGES} is {setting}",
        why=why,
        do=f"set it here as where the model will run; for steady figures: echo madvise | sudo tee /{_HUGE_PAGES}",
    )


def numa_balancing(scene: Scene) -> Advice | None:
    """The kernel moves pages between nodes while one measures."""
    nodes = scene.topology.machine.numa_nodes
    mode = scene.tree.number(_NUMA_BALANCING)
    if not mode or nodes < 2:
        return None
    return Advice(
        id="numa_balancing",
        seen=f"/{_NUMA_BALANCING} is {mode} on {nodes} NUMA nodes",
        why="the kernel takes pages away for a moment to see who uses them, and moves them between nodes",
        do="sudo sysctl kernel.numa_balancing=0",
    )


def quota(scene: Scene) -> Advice | None:
    """A CPU quota that is less than the CPUs."""
    envelope = scene.topology.envelope
    if envelope.cpu_quota is None or envelope.cpu_quota >= len(envelope.cpus):
        return None
    return Advice(
        id="cpu_quota",
        seen=f"a quota of {envelope.cpu_quota:g} CPU(s) on {len(envelope.cpus)} CPUs, "
        f"set by {public_path(envelope.reasons.cpu_quota_folder or '', {})}",
        why="OpenVINO doesn't know of it: more threads than that are all stopped for a part of each period",
        do="give whole CPUs instead of a share (docker run --cpuset-cpus, a Kubernetes static CPU policy), "
        "or raise the quota; only the host can",
    )


def quota_throttling(scene: Scene) -> Advice | None:
    """A group that its quota has stopped already."""
    found = [(folder, *_throttled(scene, folder)) for folder in quota_folders(scene.tree)]
    folder, times, periods = max(found, key=lambda group: group[1], default=("", 0, 0))
    if times == 0:
        return None
    return Advice(
        id="quota_throttling",
        seen=f"the CPU quota has stopped {public_path(f'/{folder}', {})} in {times} of {periods} periods",
        why="all threads stand still to the end of a period, which makes long tails",
        do="use no more threads than the quota has CPUs, as the space does, or raise the quota; only the host can",
    )


def _throttled(scene: Scene, folder: str) -> tuple[int, int]:
    lines = (line.split() for line in (scene.tree.text(f"{folder}/cpu.stat") or "").splitlines())
    facts = {line[0]: int(line[1]) for line in lines if len(line) == 2 and _is_count(line[1])}
    return facts.get("nr_throttled", 0), facts.get("nr_periods", 0)


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= 20
