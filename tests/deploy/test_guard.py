"""The guard applies a tuned config where the hard facts and the model are the same, and nowhere else."""

from pathlib import Path

import msgspec
import pytest

from autotp.deploy.guard import Difference, decide, fallback_properties, model_files_path
from autotp.deploy.tuned import Profile, Result, Tuned, TunedBaseline, TunedMachine, TunedModel
from autotp.errors import ModelError
from autotp.findings.interval import UNITY
from autotp.findings.ruling import Ruling
from autotp.runtime.models.digest import digest
from autotp.runtime.models.model_files import ModelFiles, locate
from autotp.topology.probe import Topology, narrow
from tests.support.named_machines import topology
from tests.support.tuned_files import profile, tuned


@pytest.fixture
def files(tmp_path: Path) -> ModelFiles:
    """A model's files; the guard reads their bytes and sizes only."""
    (tmp_path / "model.xml").write_text("<net/>")
    (tmp_path / "model.bin").write_bytes(bytes(100))
    return locate(tmp_path / "model.xml")


def tuned_on(*machines: Topology, files: ModelFiles) -> Tuned:
    """What a tune of this model on these machines would have written."""
    found = digest(files)
    model = TunedModel(
        path="model.xml", kind=files.kind, graph_sha256=found.graph_sha256, weights_bytes=found.weights_bytes
    )
    return tuned(*(_profile_of(machine) for machine in machines), model=model)


def _profile_of(here: Topology) -> Profile:
    known = here.fingerprint
    return profile(machine=TunedMachine(fingerprint=known.id, hard=dict(known.hard), soft=dict(known.soft)))


def _with_soft(here: Topology, **soft: object) -> Topology:
    known = here.fingerprint
    return msgspec.structs.replace(here, fingerprint=msgspec.structs.replace(known, soft={**known.soft, **soft}))


def test_the_same_machine_and_model_apply(files: ModelFiles) -> None:
    """Nothing differs: applied, with the reason."""
    decision, chosen = decide(tuned_on(topology("2x6"), files=files), files, topology("2x6"))
    assert decision.applied
    assert decision.reason == "same machine and model as tuned"
    assert decision.differences == ()
    assert chosen.machine.fingerprint == topology("2x6").fingerprint.id


def test_another_machine_is_refused_with_what_differs(files: ModelFiles) -> None:
    """Other hard facts: not applied, and each fact that differs is listed with both values."""
    decision, _ = decide(tuned_on(topology("2x6"), files=files), files, topology("4x4"))
    assert not decision.applied
    assert "not one that was tuned for" in decision.reason
    assert {d.fact for d in decision.differences} >= {"sockets", "cores_allowed", "cpus_allowed_by_node"}
    assert Difference("sockets", 2, 4) in decision.differences
    assert "isa" not in {d.fact for d in decision.differences}


def test_less_of_the_same_machine_is_another(files: ModelFiles) -> None:
    """The same machine with fewer CPUs allowed is not what was tuned for."""
    decision, _ = decide(tuned_on(topology("4x4"), files=files), files, narrow(topology("4x4"), (0, 1)))
    assert not decision.applied
    assert Difference("cpus_allowed", 16, 2) in decision.differences
    assert "sockets" not in {d.fact for d in decision.differences}


def test_soft_facts_are_listed_but_refuse_nothing(files: ModelFiles) -> None:
    """Another kernel or microcode is listed; the config is applied."""
    here = _with_soft(topology("2x6"), kernel="6.99", microcode="0xff")
    decision, _ = decide(tuned_on(topology("2x6"), files=files), files, here)
    assert decision.applied
    assert {d.fact for d in decision.differences} == {"kernel", "microcode"}
    assert decision.reason == "same machine and model as tuned, other software or microcode"


def test_facts_of_one_side_only_differ(files: ModelFiles) -> None:
    """A fact that only the file or only this machine knows is a difference to None."""
    here = _with_soft(topology("2x6"), governor="performance")
    decision, _ = decide(tuned_on(topology("2x6"), files=files), files, here)
    assert decision.differences == (Difference("governor", None, "performance"),)
    decision, _ = decide(tuned_on(here, files=files), files, topology("2x6"))
    assert decision.differences == (Difference("governor", "performance", None),)


def test_another_graph_is_refused(files: ModelFiles) -> None:
    """A changed graph isn't the model that was tuned, on whatever machine."""
    content = tuned_on(topology("2x6"), files=files)
    files.path.write_text("<net></net>")
    for here in (topology("2x6"), topology("1x8")):
        decision, _ = decide(content, files, here)
        assert not decision.applied
        assert decision.reason == "model.xml is not the model that was tuned"
        assert decision.differences[0].fact == "graph_sha256"


def test_weights_of_another_size_are_refused(files: ModelFiles) -> None:
    """The weights' size is checked, too; their content is left to `verify`."""
    content = tuned_on(topology("2x6"), files=files)
    assert files.weights is not None
    files.weights.write_bytes(bytes(range(100)))
    assert decide(content, files, topology("2x6"))[0].applied
    files.weights.write_bytes(bytes(101))
    decision, _ = decide(content, files, topology("2x6"))
    assert (decision.applied, decision.differences) == (False, (Difference("weights_bytes", 100, 101),))


def test_the_profile_of_this_machine_is_chosen(files: ModelFiles) -> None:
    """Of several profiles the one for this machine counts; without one, the first is named and refused."""
    content = tuned_on(topology("1x8"), topology("2x6"), files=files)
    decision, chosen = decide(content, files, topology("2x6"))
    assert (decision.applied, chosen) == (True, content.profiles[1])
    decision, chosen = decide(content, files, topology("4x4"))
    assert (decision.applied, chosen) == (False, content.profiles[0])


def test_masks_of_other_cpus_are_refused(files: ModelFiles) -> None:
    """Fingerprints hold no CPU ids: the same part of the same machine under other ids can't take the mask."""
    there, here = narrow(topology("4x4"), (0, 1, 2, 3)), narrow(topology("4x4"), (4, 5, 6, 7))
    content = tuned_on(there, files=files)
    bound = msgspec.structs.replace(content.profiles[0], affinity=("0-1",))
    content = msgspec.structs.replace(content, profiles=(bound,))
    assert there.fingerprint.id == here.fingerprint.id
    assert decide(content, files, there)[0].applied
    decision, _ = decide(content, files, here)
    assert not decision.applied
    assert decision.reason == "the process may not use CPU 0"
    assert Difference("cpus", "0-1", "4-7") in decision.differences


def test_a_model_that_can_not_be_read_is_an_error(files: ModelFiles) -> None:
    """A model that vanished can't be decided about."""
    content = tuned_on(topology("2x6"), files=files)
    files.path.unlink()
    with pytest.raises(ModelError, match=r"model\.xml"):
        decide(content, files, topology("2x6"))


@pytest.mark.parametrize(
    ("baseline", "properties"),
    [
        ({"performance_hint": "throughput"}, {"PERFORMANCE_HINT": "THROUGHPUT"}),
        ({"performance_hint": "latency", "nireq": 1}, {"PERFORMANCE_HINT": "LATENCY"}),
        ({"performance_hint": "none"}, {}),
        ({"num_streams": 4}, {"PERFORMANCE_HINT": "THROUGHPUT"}),
    ],
)
def test_the_fallback_is_a_hint(baseline: dict[str, object], properties: dict[str, str]) -> None:
    """Where a config isn't applied, the hint that it was compared with is, else that of the objective."""
    result = Result(verdict=Ruling.TIE, gain=UNITY, baseline=TunedBaseline(config=baseline))
    assert fallback_properties(tuned(), profile({"num_streams": 7}, result=result)) == properties


def test_a_difference_reads_well() -> None:
    """A difference names the fact and both values."""
    assert str(Difference("sockets", 2, 4)) == "sockets: tuned 2, here 4"


def test_the_model_s_path_is_relative_to_the_file(tmp_path: Path) -> None:
    """A relative path starts at the file's folder, an absolute one stands."""

    def found(path: str) -> Path:
        model = msgspec.structs.replace(tuned().model, path=path)
        return model_files_path(tuned(model=model), tmp_path / "results" / "tuned.yaml")

    assert found("../model.xml") == tmp_path / "model.xml"
    assert found("/srv/model.xml") == Path("/srv/model.xml")


def test_a_file_that_is_a_link_finds_the_model_on_either_side(tmp_path: Path) -> None:
    """The model lies beside the link, as in a hub's cache, or else where the file itself says."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/tuned.yaml").touch()
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/tuned.yaml").symlink_to("../results/tuned.yaml")
    content = tuned(model=msgspec.structs.replace(tuned().model, path="model.xml"))
    (tmp_path / "results/model.xml").touch()
    assert model_files_path(content, tmp_path / "deploy/tuned.yaml") == tmp_path / "results/model.xml"
    (tmp_path / "deploy/model.xml").touch()
    assert model_files_path(content, tmp_path / "deploy/tuned.yaml") == tmp_path / "deploy/model.xml"


def test_links_on_the_way_to_the_model_are_kept(tmp_path: Path) -> None:
    """What a link is called decides the file's kind, and what it points to may change."""
    (tmp_path / "blob").touch()
    (tmp_path / "model.xml").symlink_to("blob")
    content = tuned(model=msgspec.structs.replace(tuned().model, path="../model.xml"))
    (tmp_path / "results").mkdir()
    assert model_files_path(content, tmp_path / "results/tuned.yaml") == tmp_path / "model.xml"
