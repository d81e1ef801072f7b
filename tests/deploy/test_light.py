"""What a process that runs a tuned model in production carries with it."""

from pathlib import Path

from tests.support.language_models import language_model
from tests.support.loaded_modules import modules_of
from tests.support.models import WIDTH, matmul_model
from tests.support.tuned_files import ship

ROOMS_OF_THE_TUNER = ("cli", "report", "tuning", "measuring")
PACKAGES_OF_THE_TUNER = {"optuna", "scipy", "cpuinfo", "sqlalchemy", "plotly", "optuna_dashboard", "click", "rich"}
LOAD = """
import autotp, numpy
with autotp.load({path!r}) as model:
    assert model.decision.applied, model.decision
    model.infer({inputs})
"""


def tuner_in(modules: set[str]) -> set[str]:
    """Those of `modules` that belong to the tuner."""
    rooms = {f"autotp.{room}" for room in ROOMS_OF_THE_TUNER}
    ours = {name for name in modules if any(f"{name}.".startswith(f"{room}.") for room in rooms)}
    return ours | {name.split(".")[0] for name in modules} & PACKAGES_OF_THE_TUNER


def test_loading_and_running_a_model_leaves_the_tuner_out(tmp_path: Path) -> None:
    """A real model is loaded as tuned and runs, in an interpreter of its own, without a module of the tuner."""
    path = ship(matmul_model(tmp_path))
    inputs = f"{{'x': numpy.zeros((1, {WIDTH}), numpy.float32)}}"
    modules = modules_of(LOAD.format(path=str(path), inputs=inputs))
    assert {"autotp.deploy.load", "openvino"} <= modules
    assert tuner_in(modules) == set()


def test_loading_a_language_model_does_so_too(tmp_path: Path) -> None:
    """Neither is what measures tokens there."""
    path = ship(language_model(tmp_path) / "openvino_model.xml")
    ids = "numpy.array([[3, 5, 8]])"
    inputs = (
        f"dict(input_ids={ids}, attention_mask={ids} * 0 + 1, position_ids={ids}, beam_idx=numpy.zeros(1, 'i4'))"
    )
    modules = modules_of(LOAD.format(path=str(path), inputs=inputs))
    assert "openvino" in modules
    assert tuner_in(modules) == set()
