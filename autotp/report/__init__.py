"""Reports: what people see of a tuning, a machine, a space, and the dashboard."""

from typing import TYPE_CHECKING

from autotp.lazy import lazy_names

if TYPE_CHECKING:
    from autotp.report.machine import health_view, topology_tree
    from autotp.report.progress import describe_event
    from autotp.report.tables import comparison_view, measurement_table, space_view, tuned_view
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "machine": ("health_view", "topology_tree"),
            "progress": ("describe_event",),
            "tables": ("comparison_view", "measurement_table", "space_view", "tuned_view"),
        },
    )

__all__ = [
    "comparison_view",
    "describe_event",
    "health_view",
    "measurement_table",
    "space_view",
    "topology_tree",
    "tuned_view",
]
