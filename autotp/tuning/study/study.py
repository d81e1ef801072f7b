"""The study in Optuna's storage: the one source of truth, one trial for each arm in each role.

Ask and tell have no heartbeat of their own, so the store records them; a trial whose process died is failed
when the study is opened next.
"""

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
import optuna
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import Trial, TrialState

from autotp.errors import StudyError
from autotp.measuring.failure import ArmFailure, Status
from autotp.measuring.observed import Observed
from autotp.measuring.samples.weather import weather_counts
from autotp.space import Config
from autotp.tuning.constraints import violations
from autotp.tuning.propose.proposer import Proposer
from autotp.tuning.request import TuneRequest
from autotp.tuning.study.block_columns import Row, encode_blocks
from autotp.tuning.study.storage_url import HEARTBEAT_S, open_storage, talking_to

SCHEMA = 1


class Role(StrEnum):
    """Why an arm is measured."""

    BASELINE = "baseline"
    SEARCH = "search"
    FINAL = "final"
    ALIAS = "alias"  # only the compile showed that it is another arm


class Store:
    """One study: begins, describes and ends trials."""

    def __init__(self, study: optuna.Study, storage: RDBStorage, request: TuneRequest) -> None:
        self.study = study
        self._storage = storage
        self._request = request
        self._running: list[Trial] = []
        self._last_beat = 0.0

    @classmethod
    def open(cls, request: TuneRequest, identity: Mapping[str, Any], proposer: Proposer) -> "Store":
        """Create the study or, with `resume`, go on with it; `fresh` first deletes an old one.

        The folder's own `study.db` holds one study: there, `fresh` deletes whatever it holds.

        Raises:
            StudyError: it belongs to another model, shape, objective or workload.
        """
        storage = open_storage(request.storage_url)
        with talking_to(request.storage_url):
            for name in optuna.get_all_study_names(storage) if request.fresh else ():
                if name == request.name or request.storage is None:
                    optuna.delete_study(study_name=name, storage=storage)
            study = optuna.create_study(
                study_name=request.name,
                storage=storage,
                sampler=proposer,
                directions=["maximize" if m.maximize else "minimize" for m in request.objectives],
                load_if_exists=request.resume,
            )
            before = study.user_attrs.get("identity")
            if before is not None and before != identity:
                raise StudyError(_unlike(request.name, before, identity))
            fail_stale_trials(study)
            _fail_waiting_trials(study)
            study.set_metric_names([str(metric) for metric in request.objectives])
            study.set_user_attr("identity", dict(identity))
            study.set_user_attr("schema", SCHEMA)
        return cls(study, storage, request)

    def propose(self, proposer: Proposer) -> tuple[Trial, Config]:
        """Ask for the next config to search."""
        with talking_to(self._request.storage_url):
            trial = self.study.ask()
            config = proposer.suggest(trial)
            self._describe(trial, role=Role.SEARCH, config=config.to_dict())
            self._run(trial)
        return trial, config

    def begin(self, role: Role, config: Config) -> Trial:
        """Begin a trial that TPE isn't to learn from: a baseline, a final, or a candidate that races again."""
        with talking_to(self._request.storage_url):
            trial = self._enqueue({}, role, config)
            self._run(trial)
        return trial

    def begin_known(self, proposer: Proposer, config: Config) -> Trial:
        """Begin a trial of the search whose config is known: a recipe, or the best of an earlier call."""
        with talking_to(self._request.storage_url):
            trial = self._enqueue(proposer.parameters(config), Role.SEARCH, config)
            proposer.suggest(trial)  # records the parameters, which TPE learns from
            self._run(trial)
        return trial

    def describe(self, trial: Trial, **attributes: Any) -> None:
        """Set attributes of `trial`; each value becomes plain JSON."""
        with talking_to(self._request.storage_url):
            self._describe(trial, **attributes)

    def describe_observed(self, trial: Trial, observed: Observed) -> None:
        """Record what OpenVINO made of the trial's config, beside what was predicted."""
        self.describe(
            trial,
            effective=observed.effective,
            predicted=observed.predicted,
            mispredicted=observed.mispredicted,
            properties=observed.properties,
            proof=observed.proof or {"state": "none"},
            affinity=observed.masks,
            output_error=observed.output_error,
        )

    def alias(self, trial: Trial, of: int) -> None:
        """Tell `trial`, which turned out to be the same as trial number `of`, that one's values."""
        with talking_to(self._request.storage_url):
            self._describe(trial, role=Role.ALIAS, status="ALIAS", alias_of=of)
            twin = self.study.get_trials(deepcopy=False)[of]
            if twin.state is TrialState.COMPLETE:
                self.study.tell(trial, twin.values)
            else:
                self.study.tell(trial, state=TrialState.FAIL)
            self._running.remove(trial)

    def complete(self, trial: Trial, metrics: Mapping[str, float], rows: list[Row]) -> None:
        """Tell `trial` COMPLETE with its metrics; `rows` are its raw blocks."""
        with talking_to(self._request.storage_url):
            for index, part in enumerate(encode_blocks(rows)):
                trial.set_user_attr(f"blocks:{index}", part)
            weather = weather_counts([block for _, _, block in rows])
            self._describe(trial, status="OK", metrics=dict(metrics), rounds=len(rows), weather=weather)
            for text, violation in violations(self._request.constraints, metrics).items():
                trial.set_constraint(text, violation)
            self.study.tell(trial, [metrics[metric.key] for metric in self._request.objectives])
            self._running.remove(trial)

    def fail(self, trial: Trial, failure: ArmFailure) -> None:
        """Tell `trial` FAIL with what is known of the failure."""
        with talking_to(self._request.storage_url):
            self._describe(
                trial,
                status=failure.status,
                phase=failure.phase,
                message=failure.message,
                log_tail=failure.log_tail,
            )
            self.study.tell(trial, state=TrialState.FAIL)
            self._running.remove(trial)

    def abandon(self) -> None:
        """Tell every trial that is still running FAIL: the tuning was interrupted."""
        with talking_to(self._request.storage_url):
            for trial in self._running:
                self._describe(trial, status="INTERRUPTED")
                self.study.tell(trial, state=TrialState.FAIL)
            self._running.clear()

    def beat(self) -> None:
        """Record that the running trials are alive, where it's due."""
        if time.monotonic() - self._last_beat >= HEARTBEAT_S / 2:
            with talking_to(self._request.storage_url):
                _record_heartbeats(self._storage, self._running)
            self._last_beat = time.monotonic()

    def note(self, **attributes: Any) -> None:
        """Set attributes of the study."""
        with talking_to(self._request.storage_url):
            for name, value in attributes.items():
                self.study.set_user_attr(name, _plain(value))

    def noted(self, name: str) -> Any:
        """Return the attribute `name` of the study, None where it isn't set."""
        with talking_to(self._request.storage_url):
            return self.study.user_attrs.get(name)

    def finished(self, role: Role) -> list[optuna.trial.FrozenTrial]:
        """Return the COMPLETE trials of `role`."""
        with talking_to(self._request.storage_url):
            trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [trial for trial in trials if trial.user_attrs.get("role") == role]

    def failed(self) -> list[optuna.trial.FrozenTrial]:
        """Return the trials of the search that failed by themselves, so not those cut short."""
        with talking_to(self._request.storage_url):
            trials = self.study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        statuses = set(Status)
        return [
            trial
            for trial in trials
            if trial.user_attrs.get("role") == Role.SEARCH and trial.user_attrs.get("status") in statuses
        ]

    def _enqueue(self, parameters: dict[str, Any], role: Role, config: Config) -> Trial:
        self.study.enqueue_trial(parameters, user_attrs={"role": role, "config": config.to_dict()})
        return self.study.ask()

    def _run(self, trial: Trial) -> None:
        _record_heartbeats(self._storage, [trial])  # a trial without one would never be stale
        self._running.append(trial)

    def _describe(self, trial: Trial, **attributes: Any) -> None:
        for name, value in attributes.items():
            trial.set_user_attr(name, _plain(value))


def _plain(value: Any) -> Any:
    """Return `value` as JSON has it: an infinite bound, which JSON can't write, becomes None."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _fail_waiting_trials(study: optuna.Study) -> None:
    """Fail trials that were enqueued by a call that was killed before it asked for them."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _record_heartbeats(storage: RDBStorage, trials: list[Trial]) -> None:
    for trial in trials:
        storage.record_heartbeat(trial._trial_id)


def _unlike(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    facts = [fact for fact in now if before.get(fact) != now[fact]]
    return (
        f"Study {name!r} differs in its {' and '.join(facts)} from what is asked for now; "
        "use --fresh to replace it or --study NAME for a study of its own."
    )
