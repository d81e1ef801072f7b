"""Contents of tuned.yaml with little to say, and such files for the machine that the tests run on."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from autotp.deploy.tuned import (
    VERSION,
    Objective,
    Profile,
    Result,
    Tuned,
    TunedBaseline,
    TunedMachine,
    TunedModel,
    TunedStudy,
    TunedWorkload,
    write_tuned,
)
from autotp.findings.interval import UNITY
from autotp.findings.loop import Loop
from autotp.findings.ruling import Ruling
from autotp.runtime.models.digest import digest
from autotp.runtime.models.model_files import ModelKind, locate
from autotp.space.knobs.config import Config
from autotp.topology.probe import probe
from tests.support.models import WIDTH


def profile(settings: dict[str, Any] | None = None, **facts: Any) -> Profile:
    """A profile that ships the config `settings`, tied with the LATENCY hint unless `facts` say otherwise."""
    config = Config.of(settings or {})
    defaults: dict[str, Any] = {
        "machine": TunedMachine(fingerprint="0" * 16, hard={}, soft={}),
        "config": config.to_dict(),
        "properties": config.properties(),
        "result": Result(
            verdict=Ruling.TIE, gain=UNITY, baseline=TunedBaseline(config={"performance_hint": "latency"})
        ),
    }
    return Profile(**{**defaults, **facts})


def tuned(*profiles: Profile, **facts: Any) -> Tuned:
    """A tuned result of these profiles (one that ties if there are none)."""
    defaults: dict[str, Any] = {
        "autotp": VERSION,
        "model": TunedModel(path="model.xml", kind=ModelKind.IR, graph_sha256="0" * 64, weights_bytes=0),
        "workload": TunedWorkload(kind=Loop.SYNC, nireq=1),
        "objective": Objective(metrics=("throughput",)),
        "profiles": profiles or (profile(),),
        "study": TunedStudy(
            name="model-throughput",
            storage="study.db",
            trials=3,
            rounds=40,
            seed=0,
            started="2026-07-30T12:00:00+00:00",
            duration_s=60.5,
            autotp="0.1.0",
            openvino="2026.4.0",
        ),
    }
    return Tuned(**{**defaults, **facts})


ALLOWED = sorted(os.sched_getaffinity(0))
STREAMS = min(2, len(ALLOWED))
SETTINGS: dict[str, Any] = {
    "num_streams": STREAMS,
    "inference_num_threads": STREAMS,
    "enable_cpu_pinning": False,
    "inference_precision_hint": "f32",
}
ROW = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None]


def here(settings: dict[str, Any] | None = None, **facts: Any) -> Profile:
    """A profile for the machine that the tests run on."""
    known = probe().fingerprint
    machine = TunedMachine(fingerprint=known.id, hard=dict(known.hard), soft=dict(known.soft))
    return profile(SETTINGS if settings is None else settings, **{"machine": machine, **facts})


def content(model: Path, *profiles: Profile, nireq: int = 3, **facts: Any) -> Tuned:
    """What a tune of `model` would have written into the folder that holds it."""
    files = locate(model)
    found = digest(files)
    written = TunedModel(
        path=model.name,
        kind=files.kind,
        graph_sha256=found.graph_sha256,
        weights_bytes=found.weights_bytes,
        **facts,
    )
    workload = TunedWorkload(kind="async" if nireq > 1 else "sync", nireq=nireq)
    return tuned(*(profiles or (here(),)), model=written, workload=workload)


def ship(model: Path, *profiles: Profile, **facts: Any) -> Path:
    """Write that next to the model and return its path."""
    path = model.with_name("tuned.yaml")
    write_tuned(path, content(model, *profiles, **facts), "A test.")
    return path
