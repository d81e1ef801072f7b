"""The open loop: what is asked of it, and how long its blocks are."""

from pathlib import Path
from typing import Any

import pytest

from autotp.errors import InputError
from autotp.findings.loop import Loop
from autotp.findings.metric import METRICS
from autotp.measuring.samples.block import Block
from autotp.measuring.workload.open_loop import OpenLoop
from autotp.measuring.workload.workload import Run, Wanted
from autotp.options import Spelling, spelled_for
from autotp.runtime.models.model_files import ModelFiles, ModelKind
from autotp.space.knobs.config import Config

PLAIN = ModelFiles(Path("plain.xml"), ModelKind.IR)


def asked(rate_per_s: float, *, objective: str = "latency_p99", budget_s: float = 10.0, **given: Any) -> OpenLoop:
    """The open loop of a call at this rate."""
    wanted = Wanted((METRICS[objective],), (), budget_s)
    return OpenLoop.of(PLAIN, wanted, {"rate_per_s": rate_per_s, **given})


def test_what_is_asked_is_what_drives(tmp_path: Path) -> None:
    """The rate beside what any inference is driven with."""
    data = tmp_path / "d.npz"
    data.write_bytes(b"")
    assert asked(50.0, seed=3, data=data) == OpenLoop(seed=3, data=data, rate_per_s=50.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rate_per_s": 0.0}, "^rate_per_s must be more than 0"),
        ({"rate_per_s": float("nan")}, "^rate_per_s must be more than 0"),
        ({"rate_per_s": 1e6}, "at most 100000 a second"),
        ({"rate_per_s": 50.0, "objective": "throughput"}, "^rate_per_s fixes the throughput; choose a latency"),
        ({"rate_per_s": 0.5, "budget_s": 5.0}, r"At 0\.5 a second .* a budget of 100 s"),
    ],
)
def test_what_would_say_nothing_is_bad_input(given: dict[str, Any], words: str) -> None:
    """One sentence says what is wrong; where hardly anything arrives, it names the budget that would do."""
    with pytest.raises(InputError, match=words):
        asked(**given)


def test_errors_name_the_flag_that_was_typed() -> None:
    """On the command line the rate is --rate."""
    with spelled_for(Spelling.COMMAND_LINE):
        with pytest.raises(InputError, match=r"^--rate must be more than 0"):
            asked(-1.0)
        with pytest.raises(InputError, match=r"^--rate fixes the throughput"):
            asked(50.0, objective="throughput")


def test_requests_are_how_many_may_run_side_by_side() -> None:
    """The objective says nothing of that."""
    loop = OpenLoop(rate_per_s=50.0)
    assert [loop.nireq(c, (METRICS["latency_p50"],)) for c in (Config.of({"nireq": 4}), Config())] == [4, None]


def test_processes_share_the_rate() -> None:
    """Each gets as much of it."""
    assert OpenLoop(seed=2, rate_per_s=60.0).for_one_of(3) == OpenLoop(seed=2, rate_per_s=20.0)


def test_a_turn_is_five_arrivals() -> None:
    """However fast the model is."""
    assert OpenLoop(rate_per_s=50.0).turn_s(Block(count=9, elapsed_s=0.001), in_flight=3) == pytest.approx(0.1)


def test_a_block_may_take_as_long_again_for_its_backlog() -> None:
    """Twice its length, and twice the wait for the arrivals of all processes; a warm-up waits for nothing."""
    loop, run = OpenLoop(rate_per_s=50.0), Run(duration_s=0.5, lead_in_s=0.1)
    assert loop.run_seconds(run, instances=2) == pytest.approx(2 * 0.6 + 2 * 5 * 2 / 50)
    assert loop.run_seconds(Run(duration_s=0.5, flat_out=True), instances=2) == 0.5


def test_it_says_what_it_is() -> None:
    """The rate is in what tuned.yaml holds, and figures at another rate aren't comparable."""
    loop = OpenLoop(seed=1, rate_per_s=50.0)
    assert loop.kind(1) is loop.kind(8) is Loop.OPEN
    assert loop.facts() == {"seed": 1, "rate_per_s": 50.0}
    assert loop.identity() != OpenLoop(seed=1, rate_per_s=40.0).identity()


def test_passes_take_as_long_as_their_arrivals() -> None:
    """Of every process, whose arrivals are as many and come less often; and as long again for a backlog."""
    loop = OpenLoop(rate_per_s=50.0, data_dependent=True, sample_count=10)
    assert loop.run_seconds(Run(amount=5), instances=2) == pytest.approx(2 * 2.0 + 2 * 5 * 2 / 50)
