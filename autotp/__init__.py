"""autotp finds, proves and deploys the fastest OpenVINO settings for a model on a CPU server.

    import autotp

    autotp.tune("model.xml", objectives=["throughput"], budget_s=300)
    model = autotp.load("results/model-throughput/tuned.yaml")

Names are imported on first use, so that `import autotp` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autotp.deploy.load import Loaded, load
    from autotp.errors import AutotpError
    from autotp.measuring.api import compare, measure
    from autotp.topology.probe import Topology, probe
    from autotp.tuning.api import tune

__all__ = ["AutotpError", "Loaded", "Topology", "compare", "load", "measure", "probe", "tune"]

_MODULES = {
    "AutotpError": "autotp.errors",
    "Loaded": "autotp.deploy.load",
    "Topology": "autotp.topology.probe",
    "compare": "autotp.measuring.api",
    "load": "autotp.deploy.load",
    "measure": "autotp.measuring.api",
    "probe": "autotp.topology.probe",
    "tune": "autotp.tuning.api",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'autotp' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
