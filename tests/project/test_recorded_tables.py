"""Recorded tables: what is written is read again, and replays find in them what is there."""

import json
import random
from pathlib import Path

import pytest

from autotp.measuring.failure import ArmFailure, Phase, Status
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.outputs.error import OutputError
from autotp.measuring.samples.block import Block
from autotp.space.aliases.effective import Effective
from autotp.space.bound_space import bind
from autotp.space.knobs.config import Config
from autotp.space.schema.space_file import load_space
from autotp.topology.probe import probe
from autotp.tuning.propose.space_proposer import SpaceProposer
from autotp.tuning.study.optuna_study import OptunaStudy
from autotp.tuning.study.study import Role
from tests.evidence.record_table import summary
from tests.evidence.replay_recorded import SHARES, cost_to_reach, main, missed
from tests.evidence.replays.costs import exhaustive_cost_s, proof_cost_s
from tests.evidence.replays.machine import RecordedMachine
from tests.evidence.replays.recorded import as_t1, as_t4, differing, from_study, read_t4
from tests.evidence.replays.rivals import at, finals_s, measure_once, with_finals
from tests.evidence.replays.searches import HillClimb, InOrder, Ours
from tests.evidence.replays.tuning import RecordedSpace, tune
from tests.support.models import matmul_model
from tests.support.recorded_tables import table_of
from tests.support.trees import Described, build
from tests.support.tune_requests import built

BEST = (3, 2)
FAST = table_of({BEST: 1.5, (3, 3): 1.4, (2, 2): 1.3})


def space(metric: str = "throughput") -> RecordedSpace:
    """A table with a clear best config, ready to be searched."""
    return RecordedSpace(RecordedMachine(table_of({BEST: 1.5, (3, 3): 1.4, (2, 2): 1.3}, metric)))


def number_of(found: RecordedSpace, streams: int, threads: int) -> int:
    """The row with these settings."""
    wanted = {"num_streams": streams, "inference_num_threads": threads}
    return next(n for n, row in enumerate(found.table.measured) if row.settings == wanted)


def test_a_table_survives_the_round_trip(tmp_path: Path) -> None:
    """Every value to six digits, the failed config and the hints included."""
    path = tmp_path / "made_up.t4.json"
    path.write_text(json.dumps(as_t4(FAST)))
    again = read_t4(path)
    assert (again.model, again.metric) == (FAST.model, FAST.metric)
    assert [row.settings for row in (*again.hints, *again.rows)] == [r.settings for r in (*FAST.hints, *FAST.rows)]
    assert [row.invalidity for row in again.rows] == [row.invalidity for row in FAST.rows]
    assert again.scores == pytest.approx(FAST.scores, abs=1e-5)
    for mine, theirs in zip(again.measured, FAST.measured, strict=True):
        for one, other in zip(mine.processes, theirs.processes, strict=True):
            assert one.start_s == pytest.approx(other.start_s)
            assert one.block_s == pytest.approx(other.block_s)


def block(rate: float) -> Block:
    """A block of ten inferences at this rate."""
    return Block(count=10, elapsed_s=10.0 / rate, untimed_s=0.5, compile_s=0.125)


def test_a_study_becomes_a_table(tmp_path: Path) -> None:
    """Trials of one config are its processes; each block has the baseline's of the same round beside it."""
    model = tmp_path / "m.xml"
    model.write_text("<net/>")
    space_here = bind(load_space("default"), probe(build(Described(), tmp_path / "machine")))
    study = OptunaStudy.open(built(model, out=tmp_path), {}, SpaceProposer(space_here, 0))
    f32, hint = Config.of({"inference_precision_hint": "f32"}), Config.of({"performance_hint": "throughput"})
    exact = OutputError(max_abs_error=0.0, max_abs_reference=1.0, finite=True)
    observed = Observed(
        effective=Effective(), masks=None, proof=None, output_error=exact, properties={}, start_s=0.25
    )
    of = {"throughput_per_s": 1.0}

    def measure(role: Role, config: Config, rates: dict[int, float]) -> None:
        trial = study.begin(role, config)
        study.describe_observed(trial, observed)
        study.complete(trial, of, [(0, round_, block(rate)) for round_, rate in rates.items()])

    measure(Role.SEARCH, f32, {1: 30.0, 2: 40.0})
    measure(Role.SEARCH, f32, {4: 60.0})
    study.fail(
        study.begin(Role.SEARCH, Config.of({"nireq": 4})), ArmFailure(Status.WRONG_OUTPUT, Phase.COMPILE, ".")
    )
    study.begin(Role.SEARCH, Config.of({"nireq": 8}))
    study.abandon()
    measure(Role.BASELINE, Config.of({"performance_hint": "latency"}), {0: 5.0})
    measure(Role.BASELINE, hint, dict.fromkeys(range(6), 10.0) | {4: 20.0})
    found = from_study(tmp_path / "study.db", "m.xml")
    assert [row.settings["performance_hint"] for row in found.hints] == ["throughput", "latency"]
    assert [(row.settings, row.invalidity) for row in found.rows] == [
        (f32.to_dict(), "correct"),
        ({"nireq": 4}, "correctness"),
    ]
    first, second = found.measured[0].processes
    assert first.values + first.baseline == pytest.approx((30.0, 40.0, 10.0, 10.0))
    assert second.values + second.baseline == pytest.approx((60.0, 20.0))
    assert (second.start_s, second.compile_s) == (0.25, 0.125)
    assert second.block_s == pytest.approx((10 / 60 + 0.5,))


def test_results_have_what_t4_requires() -> None:
    """Each has a configuration with every parameter, times, validity and correctness; T1 names the same."""
    results, problem = as_t4(FAST)["results"], as_t1(FAST)
    parameters = {one["Name"]: one for one in problem["ConfigurationSpace"]["TuningParameters"]}
    assert len(results) == len(FAST.rows) + len(FAST.hints)
    for result in results:
        assert {"configuration", "times", "invalidity", "correctness"} <= result.keys()
        assert result["configuration"].keys() == parameters.keys()
        assert result["invalidity"] in ("timeout", "compile", "runtime", "correctness", "constraints", "correct")
    (condition,) = problem["ConfigurationSpace"]["Conditions"]
    for result in results:
        assert eval(condition["Expression"], {}, result["configuration"])  # it is Python, as Kernel Tuner has it
    assert not eval(condition["Expression"], {}, dict.fromkeys(parameters, 99))
    assert parameters["inference_num_threads"]["Type"] == "string"  # the hints leave it to OpenVINO
    assert "'default'" in parameters["num_streams"]["Values"]


def test_the_best_is_chosen_in_odd_rounds_and_scored_in_even_ones() -> None:
    """So noise in one half doesn't make its own choice look good; the hint's regret is what it leaves."""
    found = space()
    assert found.table.best == number_of(found, *BEST)
    assert found.table.regret(found.table.best) == 0.0
    assert found.table.regret(number_of(found, 3, 3)) == pytest.approx(1 - 1.4 / 1.5, abs=0.02)
    assert found.table.regret(None) == pytest.approx(1 - 1 / 1.5, abs=0.02)
    assert found.table.share_near_the_best(0.01) == pytest.approx(1 / 48)
    assert 0.001 < found.table.noise() < 0.02
    assert differing(found.table, "num_streams") == 6
    assert summary(found.table, found.table.metric)["best"] == {"num_streams": 3, "inference_num_threads": 2}


def test_exhaustive_cost_is_a_proof_of_every_config() -> None:
    """Six processes, each with its start and 25 blocks; the baseline runs twice beside them."""
    one = 6 * (0.25 + 25 * 0.0625)
    assert proof_cost_s(FAST.measured[0]) == pytest.approx(one)
    assert exhaustive_cost_s(FAST) == pytest.approx(50 * one)


@pytest.mark.parametrize("metric", ["throughput", "second_token_latency"])
def test_a_replayed_tuning_finds_and_proves_the_best(metric: str, tmp_path: Path) -> None:
    """With enough time it ships the best or the runner-up, within its budget; with none it ships the hint."""
    found, model = space(metric), matmul_model(tmp_path)
    done = tune(found, 150.0, 0, model, tmp_path)
    assert done.row in (number_of(found, *BEST), number_of(found, 3, 3))
    assert 0.0 < done.search_s < done.cost_s < 150.0 * 1.1
    assert done.measured < len(found.table.measured)
    assert tune(found, 1.0, 0, model, tmp_path).row is None


def test_where_nothing_is_faster_the_hint_ships(tmp_path: Path) -> None:
    """A replay doesn't know more than a tuning does."""
    even = RecordedSpace(RecordedMachine(table_of()))
    assert tune(even, 100.0, 0, matmul_model(tmp_path), tmp_path).row is None


def test_a_rival_ships_the_best_that_it_has_seen() -> None:
    """It pays a start and its measuring time for each config; what ships changes as better ones are seen."""
    found = space()
    ships, scores = measure_once(found, InOrder.at_random(found.columns, 0), 2.0, 1e9, random.Random(0))
    assert len(scores) == len(found.table.measured)
    assert ships[-1].row == number_of(found, *BEST)
    assert ships[-1].at_s == pytest.approx(len(scores) * 2.25, rel=0.02)
    assert at(ships, 0.0) is None
    assert at(ships, 2.5) == ships[1].row
    judged = with_finals(
        found, lambda: Ours(found.columns, 0), 2.0, iter([1.0, finals_s(found) + 150.0]), random.Random(0)
    )
    assert at(judged, 1e9) == number_of(found, *BEST)
    assert at(judged, 10.0) is None


def test_a_hill_climb_ends_where_no_neighbour_is_better() -> None:
    """It climbs step by step, and says when it has come to its end."""
    found = space()
    climb = HillClimb(found.columns, 0)
    scores = [
        -abs(r.settings["num_streams"] - 5) - abs(r.settings["inference_num_threads"] - 3)
        for r in found.table.measured
    ]
    seen = []
    while (row := climb.ask()) is not None:
        climb.tell(row, float(scores[row]))
        seen.append(row)
    assert max(seen, key=lambda row: scores[row]) == number_of(found, 5, 3)
    assert len(seen) == len(set(seen)) < 30


def test_the_replay_reports_every_search_and_what_is_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One seed on one table: regrets at each share of the cost, for ours and its rivals."""
    (tmp_path / "made_up.t4.json").write_text(json.dumps(as_t4(FAST)))
    assert main([str(tmp_path), "--seeds", "1", "--jobs", "1"]) in (0, 1)
    found = json.loads(capsys.readouterr().out)["tables"]["made_up"]
    assert {"ours", "tpe, 2 s", "random, 20 s, finals", "grid order, 6 s", "hill climb, 2 s"} <= found[
        "median"
    ].keys()
    assert {len(regrets) for regrets in found["median"].values()} == {len(SHARES)}
    assert found["median"]["ours"][-1] <= found["median"]["ours"][0]


def test_what_is_asked_is_held_against_what_was_found() -> None:
    """A regret too large at a tenth of the cost, or a rival that is as cheap, is said."""
    assert cost_to_reach([0.0] * len(SHARES)) == SHARES[0]
    assert cost_to_reach([0.05] * len(SHARES)) is None
    low, high = [0.0] * len(SHARES), [0.05] * len(SHARES)
    of = {"noise": 0.001, "median": {"ours": high, "tpe, 2 s": low}, "p95": {"ours": high}}
    said = missed("rec", of)
    assert len(said) == 3
    assert said[0] == "rec: median regret 5.00% at 10% of the cost, 1.00% is asked"
    assert not missed("rec", {"noise": 0.001, "median": {"ours": low, "tpe, 2 s": high}, "p95": {"ours": low}})
