"""The best baseline against itself, on recorded rounds."""

from pathlib import Path

import msgspec
import pytest

from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.rounds.arm import Arm
from autotp.space.knobs.config import Config
from autotp.tuning.events import Event, NoiseMeasured
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import race_baselines
from autotp.tuning.stages.noise import measure_noise
from tests.support.made_up_rounds import made_up
from tests.support.models import matmul_model
from tests.support.simulated import SimulatedBench, simulated_tuning


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small IR."""
    return matmul_model(tmp_path_factory.mktemp("model"))


def measured(session: Session) -> NoiseMeasured:
    """Return the noise event of a simulated tuning."""
    events: list[Event] = []
    session.emit = events.append
    measure_noise(session, race_baselines(session))
    (found,) = (event for event in events if isinstance(event, NoiseMeasured))
    return found


def simulated(model: Path, out: Path, arm_start_s: float) -> Session:
    """A tuning of 300 s of arms that start in `arm_start_s`."""
    recording = msgspec.structs.replace(made_up(0.02), arm_start_s=arm_start_s)
    return simulated_tuning(recording, {}, model, out, seed=1).session


def test_a_slow_start_shortens_the_baseline_against_itself(model: Path, tmp_path: Path) -> None:
    """It takes at most a tenth of the budget: the slower arms start, the fewer pairs run, at last none."""
    for arm_start_s, most_s in ((0.2, 16.0), (5.0, 30.0), (7.0, 30.0)):
        session = simulated(model, tmp_path, arm_start_s)
        baselines = race_baselines(session)
        began = session.budget.now()
        measure_noise(session, baselines)
        assert 0.0 < session.budget.now() - began <= most_s
    session = simulated(model, tmp_path, 16.0)
    found = measured(session)
    assert found.noise is None
    assert "too much of the budget" in str(found.reason)
    assert session.race.blocks.duration_s == 0.05


def test_a_failed_baseline_against_itself_is_a_warning(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without memory for two more arms, or where one fails, the tuning goes on with the usual blocks."""
    session = simulated(model, tmp_path, 0.2)
    monkeypatch.setattr(SimulatedBench, "room", 1)
    found = measured(session)
    assert found.noise is None
    assert "memory" in str(found.reason)
    monkeypatch.setattr(SimulatedBench, "room", 6)

    def failing(config: Config, checked: bool = True) -> Arm:
        raise ArmFailure(Status.CRASHED, Phase.START, "gone")

    session = simulated(model, tmp_path, 0.2)
    monkeypatch.setattr(session.bench, "arm", failing)
    found = measured(session)
    assert found.noise is None
    assert "gone" in str(found.reason)
