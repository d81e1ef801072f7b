"""Everything that touches OpenVINO: read, reshape, compile, infer."""

from autotp.runtime.compile import Compiled, Plan, compile_plan, inspect_model, reported_properties
from autotp.runtime.infer import Requests, create_requests, infer_outputs, named_outputs
from autotp.runtime.model import ModelInfo, Port, Shape
from autotp.runtime.source import Digest, ModelFiles, ModelKind, digest, locate

__all__ = [
    "Compiled",
    "Digest",
    "ModelFiles",
    "ModelInfo",
    "ModelKind",
    "Plan",
    "Port",
    "Requests",
    "Shape",
    "compile_plan",
    "create_requests",
    "digest",
    "infer_outputs",
    "inspect_model",
    "locate",
    "named_outputs",
    "reported_properties",
]
