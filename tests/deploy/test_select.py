"""Choosing again from a front: what ships is proven in what is preferred, or the baseline is."""

from pathlib import Path

import msgspec
import pytest

from autotp.deploy.headline import headline
from autotp.deploy.select import KNEE, moved, select
from autotp.deploy.tuned import ParetoPoint, TunedWorkload
from autotp.errors import InputError
from autotp.findings.interval import UNITY
from autotp.findings.ruling import Ruling
from tests.support.fronts import HINT, MIDDLE, NARROW, WIDE, with_front


def test_the_best_in_what_is_preferred_ships() -> None:
    """With its own properties, place, requests and evidence; the objective comes first, and the front stays."""
    found = select(with_front(WIDE, MIDDLE, NARROW), "latency_p99")
    (one,) = found.profiles
    assert (one.config, one.properties) == (NARROW.config, {"NUM_STREAMS": "1"})
    assert (one.affinity, one.effective) == (None, NARROW.effective)
    assert (one.result.verdict, one.result.gain) == (Ruling.WIN, NARROW.gains["latency_p99"])
    assert (one.result.metrics, one.pareto) == (NARROW.metrics, (WIDE, MIDDLE, NARROW))
    assert (found.workload.nireq, found.objective.metrics) == (1, ("latency_p99", "throughput"))
    assert headline(found).startswith("2.5 times as fast in latency_p99 as OpenVINO's best hint")


def test_there_is_a_way_back() -> None:
    """The first choice can be chosen again, and is then what it was."""
    first = with_front(WIDE, MIDDLE, NARROW)
    again = select(select(first, "latency_p99"), "throughput")
    assert (again.profiles[0].config, again.workload) == (WIDE.config, first.workload)
    assert (again.profiles[0].affinity, again.objective) == (("0-3",), first.objective)


def test_the_knee_can_be_preferred() -> None:
    """It counts in the objective that comes first."""
    found = select(with_front(WIDE, MIDDLE, NARROW), KNEE)
    assert found.profiles[0].config == MIDDLE.config
    assert found.profiles[0].result.gain == MIDDLE.gains["throughput"]
    assert f"Between them lies {'num_streams=1, nireq=4'}." in headline(found)


def test_what_is_not_proven_does_not_ship() -> None:
    """Where nothing on the front is proven faster, the baseline ships, as in a TIE; the front may know it."""
    hint = ParetoPoint(
        config=HINT, metrics={"latency_p99_s": 0.008}, workload=TunedWorkload(kind="async", nireq=2), costs={}
    )
    for front, requests in (((WIDE, MIDDLE), None), ((WIDE, MIDDLE, hint), 2)):
        found = select(with_front(*front), "latency_p99")
        one = found.profiles[0]
        assert (one.config, one.properties) == (HINT, {"PERFORMANCE_HINT": "THROUGHPUT"})
        assert (one.result.verdict, one.result.gain, found.workload.nireq) == (Ruling.TIE, UNITY, requests)


@pytest.mark.parametrize(
    ("front", "preferred", "said"),
    [
        ((), "latency_p99", "one objective"),
        ((WIDE, NARROW), "latency_p50", "prefer throughput, latency_p99 or knee"),
        ((WIDE, NARROW), KNEE, "fewer than three"),
        ((msgspec.structs.replace(WIDE, workload=msgspec.UNSET),), "throughput", "tune again"),
    ],
)
def test_what_cannot_be_selected_is_one_sentence(
    front: tuple[ParetoPoint, ...], preferred: str, said: str
) -> None:
    """Without a front, an objective or a knee there is nothing to choose."""
    with pytest.raises(InputError, match=said):
        select(with_front(*front), preferred)


def test_a_file_elsewhere_still_finds_its_model(tmp_path: Path) -> None:
    """The model's path is relative to the file, so it changes with the folder."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b/c").mkdir(parents=True)
    content = with_front(WIDE, NARROW)
    here = moved(content, tmp_path / "a/tuned.yaml", tmp_path / "b/c/tuned.yaml")
    assert (tmp_path / "b/c" / here.model.path).resolve() == (tmp_path / "a" / content.model.path).resolve()
    assert moved(content, tmp_path / "a/tuned.yaml", tmp_path / "a/other.yaml") == content
