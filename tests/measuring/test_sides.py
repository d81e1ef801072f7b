"""What a comparison takes from its sides."""

from pathlib import Path
from typing import Any

import pytest
from autotp.cli.sides import Named, contenders_of, workload_of

from autotp.deploy.tuned import TunedWorkload
from autotp.errors import InputError, SpaceError
from autotp.findings import METRICS, Loop, Metric
from autotp.measuring import Asked
from autotp.measuring.workload.generation import Generation
from autotp.measuring.workload.workload import Token, Workload
from autotp.runtime import ModelFiles, ModelKind, locate
from autotp.space import Config
from autotp.topology import probe
from tests.support.language_models import language_model
from tests.support.models import matmul_model
from tests.support.tuned_files import profile
from tests.support.tuned_files import tuned as tuned_file

FILES = ModelFiles(Path("m.xml"), ModelKind.IR)
HINT, RATE = Named(text="hint:none"), 40.0


def tuned(**workload: Any) -> Named:
    """A side that was tuned with `workload`."""
    known = TunedWorkload(kind=Loop.ASYNC, nireq=2, **workload)
    return Named(text="tuned.yaml", tuned=tuned_file(profile(), workload=known))


def driven(*sides: Named, metric: Metric = METRICS["latency_p90"], **given: Any) -> Workload:
    """The workload of a comparison of `sides`."""
    usual = {"seed": None, "data": None, "rate_per_s": None, "asked": Asked()}
    return workload_of(sides, FILES, metric, 60.0, **{**usual, **given})


def test_a_tuned_file_brings_its_seed_and_its_rate() -> None:
    """What the command line says goes before."""
    side = tuned(seed=7, rate_per_s=RATE)
    assert driven(HINT, side) == Workload(seed=7, rate_per_s=RATE)
    assert driven(HINT, side, seed=0, rate_per_s=50.0) == Workload(seed=0, rate_per_s=50.0)
    assert driven(HINT, HINT) == Workload()


def test_throughput_takes_no_rate_of_a_file() -> None:
    """Nobody gave one on the command line, so nothing is refused: both are driven flat out."""
    assert driven(tuned(rate_per_s=RATE, seed=0), HINT, metric=METRICS["throughput"]) == Workload()


@pytest.mark.parametrize(("config", "batch"), [({"batch": 4}, 1), ({"num_streams": 1}, 4)], ids=["knob", "asked"])
def test_a_tuned_file_brings_its_tokens(tmp_path: Path, config: dict[str, Any], batch: int) -> None:
    """Both sides are asked what the tuning was; a batch that its config sets is that side's alone."""
    known = TunedWorkload(kind=Loop.GENERATE, nireq=1, prompt_tokens=64, new_tokens=32, batch=4)
    side = Named(text="tuned.yaml", tuned=tuned_file(profile(config), workload=known))
    asked = {"seed": None, "data": None, "rate_per_s": None}
    files, metric = locate(language_model(tmp_path)), METRICS["tokens_per_s"]
    workload = workload_of((HINT, side), files, metric, 60.0, asked=Asked(new_tokens=16), **asked)
    expected = Generation(prompt_tokens=64, new_tokens=16, batch=batch, timed=(Token.SECOND,))
    assert workload.generation == expected
    assert (HINT.batch, side.batch) == (None, config.get("batch"))


def test_two_lengths_of_prompts_want_a_third(tmp_path: Path) -> None:
    """Files tuned for other tokens are compared at those that the person names."""
    sides = []
    for prompt_tokens in (64, 128):
        known = TunedWorkload(kind=Loop.GENERATE, nireq=1, prompt_tokens=prompt_tokens, new_tokens=32, batch=1)
        sides.append(Named(text="tuned.yaml", tuned=tuned_file(profile(), workload=known)))
    asked = {"seed": None, "data": None, "rate_per_s": None}
    files, metric = locate(language_model(tmp_path)), METRICS["tokens_per_s"]
    with pytest.raises(InputError, match="different prompt tokens: say with --prompt-tokens"):
        workload_of(sides, files, metric, 60.0, asked=Asked(), **asked)
    named = workload_of(sides, files, metric, 60.0, asked=Asked(prompt_tokens=96), **asked).generation
    assert named == Generation(prompt_tokens=96, new_tokens=32, batch=1, timed=(Token.SECOND,))


def test_what_is_less_exact_is_held_to_the_tokens(tmp_path: Path) -> None:
    """Of a language model, and only the side that is."""
    files, workload = locate(language_model(tmp_path)), Workload(generation=Generation(prompt_tokens=8))
    lossy = Named(text="u4", config=Config.of({"kv_cache_precision": "u4"}))
    found, _ = contenders_of((lossy, HINT), files, {}, METRICS["tokens_per_s"], workload, probe())
    assert found.strict == (True, False)
    assert found.prompted(16).strict == (True, False)


def test_a_setting_that_means_nothing_to_the_model_is_refused(tmp_path: Path) -> None:
    """Rather than shown in a table as if it had been measured."""
    batch = Named(text="batch=8", config=Config.of({"batch": 8}))
    with pytest.raises(SpaceError, match="batch=8: only a language model has it"):
        contenders_of(
            (batch, HINT), locate(matmul_model(tmp_path)), {}, METRICS["throughput"], Workload(), probe()
        )


def test_two_rates_want_a_third() -> None:
    """Files tuned at different rates are compared at one that the person names."""
    sides = tuned(rate_per_s=RATE, seed=0), tuned(rate_per_s=2 * RATE, seed=0)
    with pytest.raises(InputError, match="--rate"):
        driven(*sides)
    assert driven(*sides, rate_per_s=50.0) == Workload(rate_per_s=50.0)


def test_inputs_that_only_have_a_name_are_warned_of(tmp_path: Path) -> None:
    """A tuned file names the file that its inputs came from; without --data others are compared."""
    files = locate(matmul_model(tmp_path))
    side = tuned(inputs="real.npz")

    def warnings(workload: Workload) -> list[str]:
        found = contenders_of((side, HINT), files, {}, METRICS["latency_p90"], workload, probe())[1]
        return [warning for warning in found if "inputs" in warning]

    (warning,) = warnings(Workload())
    assert "tuned on the inputs of real.npz" in warning
    assert warnings(Workload(data=Path("other.npz"))) == []
