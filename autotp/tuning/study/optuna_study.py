"""The study in Optuna's storage, which holds all records of a tuning: one trial for each arm in each role.

A trial is stored with its config and its parameters at once. In Optuna's ask-and-tell interface each would take a
transaction of its own, while the tuning waits; and it records no heartbeats, so this module does. A trial whose
process died is set to FAIL when the study is opened next.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import optuna
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna.trial import Trial as OptunaTrial

from autotp.errors import StudyError
from autotp.measuring.failure import ArmFailure, Status
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.samples.weather import weather_counts
from autotp.options import spell
from autotp.space.knobs.config import Config
from autotp.tuning.constraints import violations
from autotp.tuning.propose.space_proposer import SpaceProposer
from autotp.tuning.request import TuneRequest
from autotp.tuning.study.block_columns import Row, encode_blocks
from autotp.tuning.study.owner import owner
from autotp.tuning.study.storage_url import HEARTBEAT_S, open_storage, using_storage
from autotp.tuning.study.study import PastTrial, Role, Trial

SCHEMA = 1


class OptunaStudy:
    """A tuning's study in Optuna. `Study` describes its methods.

    Every method raises EnvironmentFailure when the storage can't be reached.

    Attributes:
        study: Optuna's study.
    """

    def __init__(
        self, study: optuna.Study, storage: RDBStorage, request: TuneRequest, proposer: SpaceProposer
    ) -> None:
        self.study = study
        self._storage = storage
        self._request = request
        self._proposer = proposer
        self._running: dict[int, OptunaTrial] = {}
        self._last_beat = 0.0

    @classmethod
    def open(cls, request: TuneRequest, identity: Mapping[str, Any], proposer: SpaceProposer) -> "OptunaStudy":
        """Create the study, or continue it if `resume` is set; `fresh` first deletes an old one.

        The `study.db` in the study's folder holds one study, so there `fresh` deletes whatever it holds.

        Raises:
            StudyError: it exists and isn't to be continued, or it is of another machine, model, shape, objective
                or workload, or its tables are of another version of Optuna.
            EnvironmentFailure: the storage can't be reached.
        """
        place = request.storage_place
        storage = open_storage(place)
        with using_storage(place):
            for name in optuna.get_all_study_names(storage) if request.fresh else ():
                if name == request.name or request.storage is None:
                    optuna.delete_study(study_name=name, storage=storage)
            study = _created(request, storage)
            before = study.user_attrs.get("identity")
            if before is not None and before != identity:
                raise StudyError(_difference(study, identity))
            fail_stale_trials(study)
            study.set_metric_names([str(metric) for metric in request.objectives])
            study.set_user_attr("identity", dict(identity))
            study.set_user_attr("schema", SCHEMA)
        return cls(study, storage, request, proposer)

    @property
    def lost(self) -> None:
        return None

    @property
    def trial_count(self) -> int:
        with using_storage(self._request.storage_place):
            return len(self.study.get_trials(deepcopy=False))

    def propose(self) -> tuple[Trial, Config]:
        with using_storage(self._request.storage_place):
            config = self._proposer.choose(self.study)
            return self._run(Role.SEARCH, config, self._proposer.parameters(config)), config

    def chance_of_better(self, by: float, beside: float) -> float | None:
        with using_storage(self._request.storage_place):
            return self._proposer.chance_of_better(self.study, by, beside)

    def begin(self, role: Role, config: Config) -> Trial:
        with using_storage(self._request.storage_place):
            return self._run(role, config)

    def begin_known(self, config: Config) -> Trial:
        with using_storage(self._request.storage_place):
            return self._run(Role.SEARCH, config, self._proposer.parameters(config))

    def describe(self, trial: Trial, **attributes: Any) -> None:
        with using_storage(self._request.storage_place):
            _describe(self._running[trial.number], **attributes)

    def describe_observed(self, trial: Trial, observed: Observed) -> None:
        self.describe(
            trial,
            effective=observed.effective,
            predicted=observed.predicted,
            mispredicted=observed.mispredicted,
            properties=observed.properties,
            proof=observed.proof or {"state": "none"},
            affinity=observed.masks,
            output_error=observed.output_error,
            start_s=observed.start_s,
        )

    def alias(self, trial: Trial, of: int) -> None:
        with using_storage(self._request.storage_place):
            optuna_trial = self._running[trial.number]
            _describe(optuna_trial, role=Role.ALIAS, status="ALIAS", alias_of=of)
            original = self.study.get_trials(deepcopy=False)[of]
            if original.state is TrialState.COMPLETE:
                self.study.tell(optuna_trial, original.values)
            else:
                self.study.tell(optuna_trial, state=TrialState.FAIL)
            del self._running[trial.number]

    def complete(self, trial: Trial, metrics: Mapping[str, float], rows: Sequence[Row]) -> None:
        """End `trial` as COMPLETE with its metrics and its raw blocks, `rows`."""
        with using_storage(self._request.storage_place):
            optuna_trial = self._running[trial.number]
            for index, part in enumerate(encode_blocks(rows)):
                optuna_trial.set_user_attr(f"blocks:{index}", part)
            weather = weather_counts([block for _, _, block in rows])
            _describe(optuna_trial, status="OK", metrics=dict(metrics), rounds=len(rows), weather=weather)
            for text, violation in violations(self._request.constraints, metrics).items():
                optuna_trial.set_constraint(text, violation)
            self.study.tell(optuna_trial, [metrics[metric.key] for metric in self._request.objectives])
            del self._running[trial.number]

    def fail(self, trial: Trial, failure: ArmFailure) -> None:
        """End `trial` as FAIL and record the failure."""
        with using_storage(self._request.storage_place):
            optuna_trial = self._running[trial.number]
            _describe(
                optuna_trial,
                status=failure.status,
                phase=failure.phase,
                message=failure.message,
                log_tail=failure.log_tail,
            )
            self.study.tell(optuna_trial, state=TrialState.FAIL)
            del self._running[trial.number]

    def abandon(self) -> None:
        """End every running trial as FAIL, with the status INTERRUPTED."""
        with using_storage(self._request.storage_place):
            for optuna_trial in self._running.values():
                _describe(optuna_trial, status="INTERRUPTED")
                self.study.tell(optuna_trial, state=TrialState.FAIL)
            self._running.clear()

    def heartbeat(self) -> None:
        if time.monotonic() - self._last_beat >= HEARTBEAT_S / 2:
            with using_storage(self._request.storage_place):
                _record_heartbeats(self._storage, self._running.values())
            self._last_beat = time.monotonic()

    def note(self, **attributes: Any) -> None:
        with using_storage(self._request.storage_place):
            for name, value in attributes.items():
                self.study.set_user_attr(name, _plain(value))

    def noted(self, name: str) -> Any:
        with using_storage(self._request.storage_place):
            return self.study.user_attrs.get(name)

    def finished(self, role: Role) -> list[PastTrial]:
        trials = self._trials(TrialState.COMPLETE)
        return [_past(trial) for trial in trials if trial.user_attrs.get("role") == role]

    def failed(self) -> list[PastTrial]:
        searched = [t for t in self._trials(TrialState.FAIL) if t.user_attrs.get("role") == Role.SEARCH]
        return [_past(trial) for trial in searched if trial.user_attrs.get("status") in set(Status)]

    def _trials(self, state: TrialState) -> list[FrozenTrial]:
        with using_storage(self._request.storage_place):
            return self.study.get_trials(deepcopy=False, states=(state,))

    def _run(self, role: Role, config: Config, parameters: Mapping[str, Any] = {}) -> Trial:
        begun = create_trial(
            state=TrialState.RUNNING,
            params=dict(parameters),
            distributions=self._proposer.distributions(parameters),
            user_attrs={"role": str(role), "config": _plain(config.to_dict())},
        )
        optuna_trial = OptunaTrial(self.study, self._storage.create_new_trial(self.study._study_id, begun))
        _record_heartbeats(self._storage, [optuna_trial])  # a trial without one would never be stale
        self._running[optuna_trial.number] = optuna_trial
        return Trial(optuna_trial.number)


def _created(request: TuneRequest, storage: RDBStorage) -> optuna.Study:
    try:
        return optuna.create_study(
            study_name=request.name,
            storage=storage,
            directions=["maximize" if m.maximize else "minimize" for m in request.objectives],
            load_if_exists=request.resume,
        )
    except optuna.exceptions.DuplicatedStudyError as error:  # such as one that another host has just made
        raise StudyError(
            f"Study {request.name!r} exists: use {spell('resume', True)} to go on with it or "
            f"{spell('fresh', True)} to replace it."
        ) from error


def _past(trial: FrozenTrial) -> PastTrial:
    return PastTrial(trial.number, Config.of(trial.user_attrs["config"]), tuple(trial.values or ()))


def _describe(trial: OptunaTrial, **attributes: Any) -> None:
    for name, value in attributes.items():
        trial.set_user_attr(name, _plain(value))


def _plain(value: Any) -> Any:
    """Return `value` as plain JSON values; an infinite number, which JSON can't hold, becomes None."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _record_heartbeats(storage: RDBStorage, trials: Iterable[OptunaTrial]) -> None:
    for trial in trials:
        storage.record_heartbeat(trial._trial_id)


def _difference(study: optuna.Study, now: Mapping[str, Any]) -> str:
    before = study.user_attrs["identity"]
    facts = [fact for fact in now if before.get(fact) != now[fact]]
    return (
        f"Study {study.study_name!r}{owner(study.user_attrs)} differs in its {' and '.join(facts)} "
        "from what is requested now; "
        f"use {spell('fresh', True)} to replace it or another {spell('study')} for a study of its own."
    )
