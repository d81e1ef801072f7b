"""Events as programs read them."""

import msgspec

from autotp.findings.interval import Interval
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.tuning.events import ArmEnded, TuningBegan


def test_an_event_names_its_kind_in_json() -> None:
    """`event` comes first, the fields follow; a bound that isn't finite is null."""
    began = TuningBegan(
        study="s", out="o", budget_s=5.0, configs=2, effective_configs=1, workload=ClosedLoop(), dropped=()
    )
    assert msgspec.json.encode(began).startswith(b'{"event":"began","study":"s"')
    gain = Interval(median=1.0, low=0.0, high=float("inf"))
    arm = msgspec.json.decode(msgspec.json.encode(ArmEnded(trial=1, config={}, status="OK", gain=gain)))
    assert (arm["event"], arm["gain"]["high"]) == ("arm", None)
