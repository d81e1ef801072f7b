"""What the hardware is and what this process may use of it, read from `/proc` and `/sys`.

No other room reads those folders to describe the machine, so that one set of rules decides what a core, a socket
or a limit is. Probing a recording gives the same result as probing the machine that was recorded.
"""

from autotp.topology.envelope.cpu_usage import TICK_S, Usage, UsageReader
from autotp.topology.envelope.cpuset import CpusReason
from autotp.topology.envelope.envelope import Envelope, Reasons
from autotp.topology.envelope.memory import available_memory_bytes
from autotp.topology.fingerprint import Fingerprint, fingerprint
from autotp.topology.hardware.cpuinfo import brand
from autotp.topology.hardware.machine import Cache, CoreKind, Cpu, Machine, Node
from autotp.topology.health.advice import Advice
from autotp.topology.health.health import health
from autotp.topology.probe import Topology, narrow, probe
from autotp.topology.recording import record
from autotp.topology.summary import summary
from autotp.topology.tree.cpulist import format_cpulist, parse_cpulist

__all__ = [
    "TICK_S",
    "Advice",
    "Cache",
    "CoreKind",
    "Cpu",
    "CpusReason",
    "Envelope",
    "Fingerprint",
    "Machine",
    "Node",
    "Reasons",
    "Topology",
    "Usage",
    "UsageReader",
    "available_memory_bytes",
    "brand",
    "fingerprint",
    "format_cpulist",
    "health",
    "narrow",
    "parse_cpulist",
    "probe",
    "record",
    "summary",
]
