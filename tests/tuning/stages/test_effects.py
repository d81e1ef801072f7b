"""The effects of single knobs, on synthetic blocks."""

from math import inf

import pytest

from autotp.findings.metric import METRICS
from autotp.measuring.jobs.observed import Observed
from autotp.space.aliases.effective import Effective
from autotp.space.bound_space import bind
from autotp.space.knobs.config import Config
from autotp.space.schema.space_file import load_space
from autotp.tuning.race.race import Race
from autotp.tuning.race.racer import Racer
from autotp.tuning.stages.effects import effects_of
from autotp.tuning.study.study import Trial
from tests.support.named_machines import topology
from tests.support.pretended_arms import PLAIN, Pretended

OBSERVED = Observed(effective=Effective(), masks=None, proof=None, output_error=None, properties={})
SPACE = bind(load_space("default"), topology("1x8"))
STREAMS: dict[str, object] = {"num_streams": 2, "nireq": 4}
F32: dict[str, object] = {"inference_precision_hint": "f32"}
LATENCIES_S: dict[str, tuple[dict[str, object], float]] = {
    "hint": ({"performance_hint": "throughput"}, 0.04),
    "winner": ({**STREAMS, **F32}, 0.01),
    "streams": (STREAMS, 0.015),
    "f32": (F32, 0.03),
}


def raced(*keys: str) -> tuple[Race, dict[str, Racer]]:
    """A race of these arms, the first the baseline, that has been run."""
    race = Race((METRICS["throughput"],), 0, PLAIN, longest_block_s=1.0)
    racers: dict[str, Racer] = {}
    for key in keys:
        settings, latency_s = LATENCIES_S[key]
        racers[key] = Racer(key, Config.of(settings), OBSERVED, Pretended(latency_s), Trial(0), {})
        race.enter(racers[key])
    race.choose_baseline(racers[keys[0]])
    race.run(12, inf)
    return race, racers


def test_each_knob_is_held_against_the_same_config_without_it() -> None:
    """Without its precision the winner is half again as slow, without its streams a third as fast."""
    race, racers = raced("hint", "winner", "streams", "f32")
    found = effects_of(race, SPACE, racers["winner"], racers.values())
    assert [effect.settings for effect in found] == [STREAMS, F32]
    assert [effect.gain.median for effect in found] == pytest.approx([3.0, 1.5])


def test_what_was_not_measured_is_not_made_up() -> None:
    """No effect of a knob without which nothing was measured, nor of a config that never ran."""
    race, racers = raced("hint", "winner", "f32")
    found = effects_of(race, SPACE, racers["winner"], racers.values())
    assert [effect.settings for effect in found] == [STREAMS]
    racers["f32"].blocks.clear()
    assert effects_of(race, SPACE, racers["winner"], racers.values()) == ()
