"""Everything that uses OpenVINO: reading, reshaping, splitting and compiling models, inference, generation."""

from typing import TYPE_CHECKING

from autotp.lazy import lazy_names

if TYPE_CHECKING:
    from openvino import AsyncInferQueue as AsyncInferQueue
    from openvino import CompiledModel as CompiledModel
    from openvino import InferRequest as InferRequest

    from autotp.runtime.compile import Compiled, Plan, compile_plan, inspect_model, reported_properties
    from autotp.runtime.graph.split_ir import save_split
    from autotp.runtime.inference.generate import Generator, generator_of
    from autotp.runtime.inference.inputs import make_samples
    from autotp.runtime.inference.requests import (
        Requests,
        copy_seconds,
        create_queue,
        create_requests,
        infer_outputs,
        named_outputs,
        reset_states,
    )
    from autotp.runtime.models.demo import build_demo_model
    from autotp.runtime.models.language import Attention, Language, context_limit
    from autotp.runtime.models.model_files import Digest, ModelFiles, ModelKind, digest, locate
    from autotp.runtime.models.read import ModelInfo, Port, Shape, reason
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "compile": ("Compiled", "Plan", "compile_plan", "inspect_model", "reported_properties"),
            "graph.split_ir": ("save_split",),
            "inference.generate": ("Generator", "generator_of"),
            "inference.inputs": ("make_samples",),
            "inference.requests": (
                "Requests",
                "copy_seconds",
                "create_queue",
                "create_requests",
                "infer_outputs",
                "named_outputs",
                "reset_states",
            ),
            "models.demo": ("build_demo_model",),
            "models.language": ("Attention", "Language", "context_limit"),
            "models.read": ("ModelInfo", "Port", "Shape", "reason"),
            "models.model_files": ("Digest", "ModelFiles", "ModelKind", "digest", "locate"),
        },
    )

__all__ = [
    "Attention",
    "Compiled",
    "Digest",
    "Generator",
    "Language",
    "ModelFiles",
    "ModelInfo",
    "ModelKind",
    "Plan",
    "Port",
    "Requests",
    "Shape",
    "build_demo_model",
    "compile_plan",
    "context_limit",
    "copy_seconds",
    "create_queue",
    "create_requests",
    "digest",
    "generator_of",
    "infer_outputs",
    "inspect_model",
    "locate",
    "make_samples",
    "named_outputs",
    "reason",
    "reported_properties",
    "reset_states",
    "save_split",
]
