"""autotp finds, proves and deploys the fastest OpenVINO settings for a model on a CPU server.

    import autotp

    autotp.tune("model.xml", objectives=["throughput"], budget_s=300)
    model = autotp.load("results/model-throughput/tuned.yaml")

Names are imported on first use, so that `import autotp` costs next to nothing.
"""

from typing import TYPE_CHECKING

from autotp.lazy import lazy_names

if TYPE_CHECKING:
    from autotp.deploy.load import Loaded, load
    from autotp.errors import AutotpError
    from autotp.measuring.api import compare, measure
    from autotp.topology import Topology, probe
    from autotp.tuning.api import tune
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "deploy.load": ("Loaded", "load"),
            "errors": ("AutotpError",),
            "measuring.api": ("compare", "measure"),
            "topology": ("Topology", "probe"),
            "tuning.api": ("tune",),
        },
    )

__all__ = ["AutotpError", "Loaded", "Topology", "compare", "load", "measure", "probe", "tune"]
