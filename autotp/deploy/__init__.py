"""What ships: the tuned.yaml format, the guard, and load."""

from autotp.deploy.guard import Decision, Difference, decide, fallback_properties, model_files_path
from autotp.deploy.load import Loaded, load
from autotp.deploy.plans import tuned_plans
from autotp.deploy.tuned import (
    SEEDED,
    VERSION,
    Objective,
    ParetoPoint,
    Profile,
    Result,
    Tuned,
    TunedBaseline,
    TunedMachine,
    TunedModel,
    TunedOutputs,
    TunedStudy,
    TunedWorkload,
    read_tuned,
    write_tuned,
)

__all__ = [
    "SEEDED",
    "VERSION",
    "Decision",
    "Difference",
    "Loaded",
    "Objective",
    "ParetoPoint",
    "Profile",
    "Result",
    "Tuned",
    "TunedBaseline",
    "TunedMachine",
    "TunedModel",
    "TunedOutputs",
    "TunedStudy",
    "TunedWorkload",
    "decide",
    "fallback_properties",
    "load",
    "model_files_path",
    "read_tuned",
    "tuned_plans",
    "write_tuned",
]
