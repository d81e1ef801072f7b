"""What a tuning may have found, and the request that it answers."""

from pathlib import Path
from typing import Any

from autotp.findings.interval import Interval
from autotp.findings.ruling import Ruling
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.verdict import Verdict
from autotp.space.aliases.effective import Effective
from autotp.space.knobs.config import Config
from autotp.tuning.request import TuneRequest
from autotp.tuning.result.tuned_content import MeasuredConfig, TuningResult
from tests.support.tune_requests import built

HINT = Config.of({"performance_hint": "throughput"})
F32 = Config.of({"inference_precision_hint": "f32", "nireq": 4})
GAIN = Interval(median=1.84, low=1.8, high=1.87)
VERSIONS = {"autotp": "0.1.0", "openvino": "2026.4.1"}


def observed(requests: int, masks: tuple[tuple[int, ...], ...] | None = None) -> Observed:
    """An arm as it was observed."""
    return Observed(
        effective=Effective(streams=1, threads=2, requests=requests, precision="f32"),
        masks=masks,
        proof=None,
        output_error=OutputError(max_abs_error=0.001, max_abs_reference=1.0, finite=True),
        properties={"NUM_STREAMS": "1"},
    )


def evidence(ruling: Ruling, **given: Any) -> TuningResult:
    """What a tuning with this ruling found, but for what is `given`."""
    baseline = MeasuredConfig(config=HINT, observed=observed(2), metrics={"throughput_per_s": 50.0})
    won = MeasuredConfig(config=F32, observed=observed(4), metrics={"throughput_per_s": 92.0}, gain=GAIN)
    defaults: dict[str, Any] = {
        "verdict": Verdict(ruling, reason="the budget held 2 processes of each config"),
        "selected": won if ruling is Ruling.WIN else baseline,
        "baseline": baseline,
        "noise_floor": 1.012,
        "points": (),
        "trials": 9,
        "rounds": 120,
        "started": "2026-01-02T03:04:05+00:00",
        "duration_s": 118.04,
    }
    return TuningResult(**{**defaults, **given})


def request_in(folder: Path, **given: Any) -> TuneRequest:
    """A request for a model in `folder` whose study lies two folders below."""
    model = folder / "rec.xml"
    model.write_text("<net/>")
    out = folder / "results" / "rec"
    out.mkdir(parents=True, exist_ok=True)
    return built(model, **{"out": out, **given})
