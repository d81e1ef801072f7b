"""Building the content of tuned.yaml from a result."""

from math import log
from pathlib import Path

import msgspec
import pytest

from autotp.deploy.headline import headline
from autotp.deploy.tuned import TunedWorkload, UnmeasuredHint, read_tuned, write_tuned
from autotp.findings.interval import Interval
from autotp.findings.metric import METRICS
from autotp.findings.ruling import Ruling
from autotp.measuring.verdict import Verdict
from autotp.measuring.workload.closed_loop import ClosedLoop
from autotp.runtime.models.model_files import locate
from autotp.space.knobs.config import Config
from autotp.topology.probe import Topology, probe
from autotp.tuning.result.pareto import Point
from autotp.tuning.result.tuned_content import MeasuredConfig, build_tuned
from tests.support.trees import Described, build
from tests.support.tuning_results import F32, GAIN, HINT, VERSIONS, evidence, observed, request_in

SPREAD = (-0.003, -0.002, -0.001, 0.001, 0.002, 0.003)
ALIKE = {METRICS["throughput"]: (0.0,) * 6, METRICS["latency_p50"]: (0.0,) * 6}
TRADED = {
    METRICS["throughput"]: tuple(log(1.8) + off for off in SPREAD),
    METRICS["latency_p50"]: tuple(-log(2.0) + off for off in SPREAD),
}


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    """Two sockets of two cores."""
    return probe(build(Described(sockets=2, cores_per_node=2), tmp_path / "machine"))


def test_a_win_ships_the_winner_with_its_evidence(tmp_path: Path, topology: Topology) -> None:
    """The profile has the config, properties, gain, metrics, outputs and the baseline's figures."""
    tuned = build_tuned(request_in(tmp_path), topology, evidence(Ruling.WIN), VERSIONS)
    (profile,) = tuned.profiles
    assert profile.config == {"nireq": 4, "inference_precision_hint": "f32"}
    assert profile.properties == {"INFERENCE_PRECISION_HINT": "f32"}
    assert (profile.result.verdict, profile.result.gain) == ("win", GAIN)
    assert profile.result.metrics == {"throughput_per_s": 92.0}
    assert profile.result.baseline.config == {"performance_hint": "throughput"}
    assert profile.result.baseline.metrics == {"throughput_per_s": 50.0}
    assert profile.result.noise_floor == 1.012
    assert profile.result.outputs is not None
    assert profile.machine.fingerprint == topology.fingerprint.id
    assert (tuned.workload.kind, tuned.workload.nireq) == ("async", 4)


def test_what_was_not_measured_or_checked_is_written(tmp_path: Path, topology: Topology) -> None:
    """Hints that failed and outputs that couldn't be checked have keys of their own, and else none."""
    given = {"unmeasured": [(HINT, "CRASHED in compile: gone")], "unchecked": {"z": "is empty"}}
    for facts in (given, {}):
        found = build_tuned(request_in(tmp_path), topology, evidence(Ruling.WIN, **facts), VERSIONS)
        write_tuned(tmp_path / "tuned.yaml", found, headline(found))
        result = read_tuned(tmp_path / "tuned.yaml").profiles[0].result
        assert result.outputs is not None
        if facts:
            assert result.unmeasured == (UnmeasuredHint(config=HINT.to_dict(), reason="CRASHED in compile: gone"),)
            assert (result.outputs.checked, result.outputs.unchecked) == ((), {"z": "is empty"})
        else:
            assert {result.unmeasured, result.outputs.checked, result.outputs.unchecked} == {msgspec.UNSET}


def test_copies_stand_beside_the_metrics(tmp_path: Path, topology: Topology) -> None:
    """The time that copying would add is reported for the result and the baseline, apart from the latencies."""
    copied = msgspec.structs.replace(observed(2), copy_s=2e-5)
    one = MeasuredConfig(config=HINT, observed=copied, metrics={"throughput_per_s": 50.0})
    (profile,) = build_tuned(
        request_in(tmp_path), topology, evidence(Ruling.TIE, selected=one, baseline=one), VERSIONS
    ).profiles
    assert profile.result.metrics == {"throughput_per_s": 50.0, "copy_s": 2e-5}
    assert profile.result.baseline.metrics == profile.result.metrics


def test_a_rate_is_part_of_the_workload(tmp_path: Path, topology: Topology) -> None:
    """A tuning at a rate has an open loop as workload, with the rate per second."""
    request = request_in(tmp_path, objectives=["latency_p99"], rate_per_s=20.0)
    workload = build_tuned(request, topology, evidence(Ruling.WIN), VERSIONS).workload
    assert (workload.kind, workload.rate_per_s, workload.nireq) == ("open", 20.0, 4)


@pytest.mark.parametrize("ruling", [Ruling.TIE, Ruling.UNKNOWN])
def test_without_a_win_the_hint_ships_with_a_gain_of_one(
    ruling: Ruling, tmp_path: Path, topology: Topology
) -> None:
    """`gain` is that of what ships: 1, 1, 1."""
    (profile,) = build_tuned(request_in(tmp_path), topology, evidence(ruling), VERSIONS).profiles
    gain = profile.result.gain
    assert (profile.result.verdict, profile.config) == (ruling, {"performance_hint": "throughput"})
    assert (gain.median, gain.low, gain.high) == (1.0, 1.0, 1.0)


def test_what_is_built_can_be_written_and_read(tmp_path: Path, topology: Topology) -> None:
    """The file reads back as it was built, for each ruling of a tuning."""
    request = request_in(tmp_path)
    for ruling in (Ruling.WIN, Ruling.TIE, Ruling.UNKNOWN):
        tuned = build_tuned(request, topology, evidence(ruling), VERSIONS)
        write_tuned(request.out / "tuned.yaml", tuned, headline(tuned))
        assert read_tuned(request.out / "tuned.yaml") == tuned


def test_the_model_is_named_relative_to_the_file(tmp_path: Path, topology: Topology) -> None:
    """Moving the folder with model and study together keeps the path right."""
    tuned = build_tuned(request_in(tmp_path), topology, evidence(Ruling.TIE), VERSIONS)
    assert tuned.model.path == "../../rec.xml"


def test_from_a_linked_folder_the_model_is_named_in_full(tmp_path: Path, topology: Topology) -> None:
    """A relative path would start at the folder behind the link; the link to the model itself is kept."""
    (tmp_path / "deep/down").mkdir(parents=True)
    (tmp_path / "far").symlink_to("deep/down")
    request = request_in(tmp_path, out=tmp_path / "far")
    (tmp_path / "current.xml").symlink_to(request.files.path.name)
    request = msgspec.structs.replace(request, files=locate(tmp_path / "current.xml"))
    tuned = build_tuned(request, topology, evidence(Ruling.TIE), VERSIONS)
    assert tuned.model.path == str(tmp_path / "current.xml")


def test_the_storage_is_named_without_secrets(tmp_path: Path, topology: Topology) -> None:
    """The folder's own storage is `study.db`; another one is its URL without user and password."""
    own = build_tuned(request_in(tmp_path), topology, evidence(Ruling.TIE), VERSIONS)
    url = "postgresql://ann:hunter2@host/db?password=hunter2"
    shared = build_tuned(request_in(tmp_path, storage=url), topology, evidence(Ruling.TIE), VERSIONS)
    assert own.study.storage == "study.db"
    assert shared.study.storage == "postgresql://host/db"


def test_masks_are_written_as_cpu_lists(tmp_path: Path, topology: Topology) -> None:
    """The affinity of what ships is a list for each instance, null where it's the whole envelope."""
    bound = MeasuredConfig(config=HINT, observed=observed(1, masks=((0, 1, 2),)), metrics={})
    tuned = build_tuned(request_in(tmp_path), topology, evidence(Ruling.TIE, selected=bound), VERSIONS)
    free = build_tuned(request_in(tmp_path), topology, evidence(Ruling.TIE), VERSIONS)
    assert tuned.profiles[0].affinity == ("0-2",)
    assert tuned.workload.kind == "sync"
    assert free.profiles[0].affinity is None


def test_nothing_measured_still_makes_a_file(tmp_path: Path, topology: Topology) -> None:
    """Stopped before a baseline ran: the likely hint ships without effective config, proof and outputs."""
    bare = MeasuredConfig(config=HINT, observed=None, metrics={})
    found = evidence(Ruling.UNKNOWN, selected=bare, baseline=bare, noise_floor=None)
    (profile,) = build_tuned(request_in(tmp_path), topology, found, VERSIONS).profiles
    assert (profile.effective, profile.proof, profile.result.outputs) == (None, None, None)


def test_several_objectives_bring_a_front(tmp_path: Path, topology: Topology) -> None:
    """With two objectives the Pareto front is in the file with its costs; with one objective there is none."""
    points = (
        Point(config=HINT, metrics={"throughput_per_s": 50.0, "latency_p50_s": 0.01}, log_gains=ALIKE),
        Point(
            config=F32,
            metrics={"throughput_per_s": 90.0, "latency_p50_s": 0.02},
            log_gains=TRADED,
            proven=(METRICS["throughput"],),
            observed=observed(4, masks=((0, 1),)),
        ),
        Point(config=Config.of({"num_streams": 1}), metrics={"throughput_per_s": 40.0, "latency_p50_s": 0.02}),
    )
    both = request_in(tmp_path, objectives=["throughput", "latency_p50"])
    found = evidence(Ruling.TIE, points=points)
    hint, f32 = build_tuned(both, topology, found, VERSIONS).profiles[0].pareto
    assert (hint.config, f32.config) == (HINT.to_dict(), F32.to_dict())
    assert hint.costs["throughput"].median == pytest.approx(1.8, rel=0.01)
    assert f32.costs["latency_p50"].low > 1.9
    assert f32.gains["throughput"].median == pytest.approx(1.8, rel=0.01)
    assert f32.proven == ("throughput",)
    assert {point.knee for point in (hint, f32)} == {msgspec.UNSET}
    assert isinstance(f32.workload, TunedWorkload)
    assert (f32.workload.nireq, f32.effective, f32.affinity) == (4, observed(4).effective, ("0-1",))
    one = request_in(tmp_path)
    assert build_tuned(one, topology, found, VERSIONS).profiles[0].pareto == ()


def test_what_there_is_to_say_of_a_verdict_is_in_the_file(tmp_path: Path, topology: Topology) -> None:
    """The reason for UNKNOWN, gains in other metrics and objectives left out are keys of the result."""
    half = Interval(median=0.5, low=0.4, high=0.625)
    selected = MeasuredConfig(
        config=F32, observed=None, metrics={}, gain=GAIN, others={METRICS["first_token_latency"]: half}
    )
    left_out = (METRICS["latency_p50"],)
    found = evidence(Ruling.UNKNOWN, selected=selected, left_out=left_out)
    result = build_tuned(request_in(tmp_path), topology, found, VERSIONS).profiles[0].result
    assert result.reason == found.verdict.reason
    assert result.others == {"first_token_latency": half}
    assert result.left_out == ("latency_p50",)


def test_where_there_is_nothing_to_say_the_keys_are_left_out(tmp_path: Path, topology: Topology) -> None:
    """A verdict over a hint, with nothing to add, has none of them."""
    found = evidence(Ruling.TIE, verdict=Verdict(Ruling.TIE))
    result = msgspec.to_builtins(build_tuned(request_in(tmp_path), topology, found, VERSIONS).profiles[0].result)
    assert set(result) == {"verdict", "gain", "baseline", "metrics", "noise_floor", "outputs"}
    assert set(result["baseline"]) == {"config", "metrics"}


def test_own_settings_are_known_from_a_hint(tmp_path: Path, topology: Topology) -> None:
    """If the gain is relative to the user's own settings, the file says so."""
    for baseline, own in (({"performance_hint": "throughput"}, True), ({"num_streams": 7}, False), (None, False)):
        request = request_in(tmp_path, baseline=baseline)
        result = build_tuned(request, topology, evidence(Ruling.TIE), VERSIONS).profiles[0].result
        assert bool(result.baseline.own) is own


def test_options_of_a_workload_stay_in_its_order(
    tmp_path: Path, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file has no key for is kept under `options`, in the order in which the workload gives it."""
    facts = {"seed": 0, "turns": 3, "pace": 2, "depth": 1, "answers": 4}
    monkeypatch.setattr(ClosedLoop, "facts", lambda workload: dict(facts))
    workload = build_tuned(request_in(tmp_path), topology, evidence(Ruling.TIE), VERSIONS).workload
    assert isinstance(workload.options, dict)
    assert list(workload.options.items()) == list(facts.items())[1:]
