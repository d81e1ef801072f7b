"""The proposer: whole, new configs that can run here, and nothing else."""

from collections.abc import Callable
from math import exp
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from autotp.space.bound_space import BoundSpace, bind
from autotp.space.knobs.config import Config
from autotp.space.schema.space_file import load_space
from autotp.topology.probe import probe
from autotp.tuning.propose.space_proposer import SpaceProposer
from tests.support.trees import Described, build

Score = Callable[[Config], float | None]


@pytest.fixture
def bound(tmp_path: Path) -> BoundSpace:
    """The default space on two sockets of two cores."""
    return bound_space(tmp_path, "default", Described(sockets=2, cores_per_node=2))


def bound_space(folder: Path, name: str, described: Described) -> BoundSpace:
    """The space `name` on a described machine."""
    return bind(load_space(name), probe(build(described, folder / "machine")))


def few_streams_in_f32(config: Config) -> float:
    """A score with a clear best: one stream per core, in f32."""
    distance = abs((config.count("num_streams") or 8) - 4)
    return exp(-0.1 * distance + 0.5 * (config.get("inference_precision_hint") == "f32"))


def proposals(proposer: SpaceProposer, score: Score, most: int = 1000) -> list[Config]:
    """Propose until nothing is left or `most` configs were proposed; a score of None is a failed trial."""
    study = optuna.create_study(direction="maximize")
    found: list[Config] = []
    while len(found) < most and not proposer.exhausted:
        config = proposer.choose(study)
        proposer.take(config)
        found.append(config)
        value = score(config)
        proposer.learn(config, failed=value is None)
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        study.add_trial(create_trial(state=state, value=value, user_attrs={"config": config.to_dict()}))
    return found


@pytest.mark.parametrize("name", ["default", "latency", "tensor_parallel"])
def test_every_effective_config_is_proposed_once(name: str, tmp_path: Path) -> None:
    """Asked to the end, the proposer names exactly the effective configs: no alias, none twice, none missing."""
    bound = bound_space(tmp_path, name, Described(sockets=2))
    found = [
        bound.predictor.identity(config) for config in proposals(SpaceProposer(bound, seed=1), few_streams_in_f32)
    ]
    assert len(found) == len(set(found)) == bound.census().effective_configs
    assert set(found) == {bound.predictor.identity(config) for config in bound.effective()}


def test_what_is_proposed_can_run_here(bound: BoundSpace) -> None:
    """No proposal has a reason to be dropped."""
    assert {bound.why_not(config) for config in proposals(SpaceProposer(bound, seed=2), few_streams_in_f32)} == {
        None
    }


def test_the_seed_decides(bound: BoundSpace) -> None:
    """Equal seeds and answers give equal proposals; another seed gives another order."""
    first, again, other = (proposals(SpaceProposer(bound, seed), few_streams_in_f32, 12) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_taken_config_takes_its_aliases_along(bound: BoundSpace) -> None:
    """After an alias of a config is taken, neither is held or proposed."""
    proposer = SpaceProposer(bound, seed=0)
    plain = Config.of({"num_streams": 1})
    alias = Config.of({"num_streams": 1, "distribution_policy": "none"})
    assert bound.predictor.identity(plain) == bound.predictor.identity(alias)
    proposer.take(alias)
    taken = bound.predictor.identity(plain)
    assert not proposer.holds(plain)
    assert taken not in [bound.predictor.identity(c) for c in proposals(proposer, few_streams_in_f32)]


def test_taking_what_cannot_run_here_is_harmless(bound: BoundSpace) -> None:
    """Taking a config of another machine (of a study that was moved) leaves the space unchanged."""
    proposer = SpaceProposer(bound, seed=0)
    proposer.take(Config.of({"distribution_policy": "tensor_parallel", "split_count": 8}))
    assert len(proposals(proposer, few_streams_in_f32)) == bound.census().effective_configs


def test_a_value_that_only_failed_is_avoided(bound: BoundSpace) -> None:
    """Two failures of a value that never worked end its proposals, and so the search."""

    def fails_in_f32(config: Config) -> float | None:
        return None if config.get("inference_precision_hint") == "f32" else 1.0

    proposer = SpaceProposer(bound, seed=0)
    for config in bound.effective():
        if config.get("inference_precision_hint") is None:
            proposer.learn(config, failed=False)
    found = proposals(proposer, fails_in_f32)
    failed = [config for config in found if config.get("inference_precision_hint") == "f32"]
    assert len(failed) == 2
    assert len(found) - 2 == sum(c.get("inference_precision_hint") is None for c in bound.effective())
    assert proposer.exhausted


def test_a_value_that_worked_once_is_not_avoided(bound: BoundSpace) -> None:
    """Failures elsewhere don't close a region in which something ran."""
    proposer = SpaceProposer(bound, seed=0)
    works = Config.of({"inference_precision_hint": "f32"})
    proposer.learn(works, failed=False)
    for _ in range(5):
        proposer.learn(works, failed=True)
    assert len(proposals(proposer, few_streams_in_f32)) == bound.census().effective_configs


def test_the_best_is_found_sooner_than_by_chance(tmp_path: Path) -> None:
    """With a clear best among many, the proposer's mean rank of it over seeds is in the first third."""
    bound = bound_space(tmp_path, "default", Described(sockets=2, cores_per_node=12))
    size = bound.census().effective_configs
    best = max(few_streams_in_f32(config) for config in bound.effective())
    ranks = []
    for seed in range(3):
        scores = [
            few_streams_in_f32(c) for c in proposals(SpaceProposer(bound, seed), few_streams_in_f32, size // 2)
        ]
        ranks.append(scores.index(best) if best in scores else size)
    assert sum(ranks) / len(ranks) < size / 3


def test_parameters_name_a_config_exactly(bound: BoundSpace) -> None:
    """No two effective configs have the same, and Optuna can store them with their distributions."""
    proposer, study = SpaceProposer(bound, seed=0), optuna.create_study()
    found = [proposer.parameters(config) for config in bound.effective()]
    for parameters in found:
        distributions = proposer.distributions(parameters)
        study.add_trial(create_trial(value=0.0, params=parameters, distributions=distributions))
    assert [trial.params for trial in study.trials] == found
    assert len({tuple(parameters.items()) for parameters in found}) == len(found)


def test_a_recipe_is_completed_with_knobs_at_rest(bound: BoundSpace) -> None:
    """`find` returns the open config with the fewest other knobs set, and none once all are taken."""
    proposer = SpaceProposer(bound, seed=0)
    found = proposer.find({"inference_precision_hint": "f32"})
    assert found == Config.of({"inference_precision_hint": "f32"})
    assert proposer.find({"num_streams": 3}) is None
    proposer.take(found)
    assert proposer.find({"inference_precision_hint": "f32"}) != found
