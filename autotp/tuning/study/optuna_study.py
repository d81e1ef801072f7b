"""The study in Optuna's storage: the one source of truth, one trial for each arm in each role.

Optuna records no heartbeats of trials that are asked and told, so the study does; a trial whose process died is
failed when the study is opened next.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import optuna
from optuna.storages import RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState
from optuna.trial import Trial as OptunaTrial

from autotp.errors import StudyError
from autotp.measuring.failure import ArmFailure, Status
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.samples.weather import weather_counts
from autotp.options import spell
from autotp.space import Config
from autotp.tuning.constraints import violations
from autotp.tuning.propose.tpe import TpeProposer
from autotp.tuning.request import TuneRequest
from autotp.tuning.study.block_columns import Row, encode_blocks
from autotp.tuning.study.storage_url import HEARTBEAT_S, open_storage, talking_to
from autotp.tuning.study.study import PastTrial, Role, Trial

SCHEMA = 1


class OptunaStudy:
    """A study of Optuna's, whose sampler is the proposer.

    Attributes:
        study: as Optuna has it.
    """

    def __init__(
        self, study: optuna.Study, storage: RDBStorage, request: TuneRequest, proposer: TpeProposer
    ) -> None:
        self.study = study
        self._storage = storage
        self._request = request
        self._proposer = proposer
        self._running: dict[int, OptunaTrial] = {}
        self._last_beat = 0.0

    @classmethod
    def open(cls, request: TuneRequest, identity: Mapping[str, Any], proposer: TpeProposer) -> "OptunaStudy":
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
        return cls(study, storage, request, proposer)

    @property
    def trial_count(self) -> int:
        """How many trials there are, those of earlier calls included."""
        with talking_to(self._request.storage_url):
            return len(self.study.get_trials(deepcopy=False))

    def propose(self) -> tuple[Trial, Config]:
        """Ask for the next config to search."""
        with talking_to(self._request.storage_url):
            asked = self.study.ask()
            config = self._proposer.suggest(asked)
            _describe(asked, role=Role.SEARCH, config=config.to_dict())
            return self._run(asked), config

    def begin(self, role: Role, config: Config) -> Trial:
        """Begin a trial that TPE isn't to learn from: a baseline, a final, or a candidate that races again."""
        with talking_to(self._request.storage_url):
            return self._run(self._enqueue({}, role, config))

    def begin_known(self, config: Config) -> Trial:
        """Begin a trial of the search whose config is known: a recipe, or the best of an earlier call."""
        with talking_to(self._request.storage_url):
            asked = self._enqueue(self._proposer.parameters(config), Role.SEARCH, config)
            self._proposer.suggest(asked)  # records the parameters, which TPE learns from
            return self._run(asked)

    def describe(self, trial: Trial, **attributes: Any) -> None:
        """Set attributes of `trial`, which hasn't ended; each value becomes plain JSON."""
        with talking_to(self._request.storage_url):
            _describe(self._running[trial.number], **attributes)

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
            asked = self._running[trial.number]
            _describe(asked, role=Role.ALIAS, status="ALIAS", alias_of=of)
            twin = self.study.get_trials(deepcopy=False)[of]
            if twin.state is TrialState.COMPLETE:
                self.study.tell(asked, twin.values)
            else:
                self.study.tell(asked, state=TrialState.FAIL)
            del self._running[trial.number]

    def complete(self, trial: Trial, metrics: Mapping[str, float], rows: Sequence[Row]) -> None:
        """Tell `trial` COMPLETE with its metrics; `rows` are its raw blocks."""
        with talking_to(self._request.storage_url):
            asked = self._running[trial.number]
            for index, part in enumerate(encode_blocks(rows)):
                asked.set_user_attr(f"blocks:{index}", part)
            weather = weather_counts([block for _, _, block in rows])
            _describe(asked, status="OK", metrics=dict(metrics), rounds=len(rows), weather=weather)
            for text, violation in violations(self._request.constraints, metrics).items():
                asked.set_constraint(text, violation)
            self.study.tell(asked, [metrics[metric.key] for metric in self._request.objectives])
            del self._running[trial.number]

    def fail(self, trial: Trial, failure: ArmFailure) -> None:
        """Tell `trial` FAIL with what is known of the failure."""
        with talking_to(self._request.storage_url):
            asked = self._running[trial.number]
            _describe(
                asked,
                status=failure.status,
                phase=failure.phase,
                message=failure.message,
                log_tail=failure.log_tail,
            )
            self.study.tell(asked, state=TrialState.FAIL)
            del self._running[trial.number]

    def abandon(self) -> None:
        """Tell every trial that is still running FAIL: the tuning was interrupted."""
        with talking_to(self._request.storage_url):
            for asked in self._running.values():
                _describe(asked, status="INTERRUPTED")
                self.study.tell(asked, state=TrialState.FAIL)
            self._running.clear()

    def beat(self) -> None:
        """Record that the running trials are alive, where it's due."""
        if time.monotonic() - self._last_beat >= HEARTBEAT_S / 2:
            with talking_to(self._request.storage_url):
                _record_heartbeats(self._storage, self._running.values())
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

    def finished(self, role: Role) -> list[PastTrial]:
        """Return the COMPLETE trials of `role`."""
        trials = self._trials(TrialState.COMPLETE)
        return [_past(trial) for trial in trials if trial.user_attrs.get("role") == role]

    def failed(self) -> list[PastTrial]:
        """Return the trials of the search that failed by themselves, so not those cut short."""
        searched = [t for t in self._trials(TrialState.FAIL) if t.user_attrs.get("role") == Role.SEARCH]
        return [_past(trial) for trial in searched if trial.user_attrs.get("status") in set(Status)]

    def _trials(self, state: TrialState) -> list[FrozenTrial]:
        with talking_to(self._request.storage_url):
            return self.study.get_trials(deepcopy=False, states=(state,))

    def _enqueue(self, parameters: dict[str, Any], role: Role, config: Config) -> OptunaTrial:
        self.study.enqueue_trial(parameters, user_attrs={"role": role, "config": config.to_dict()})
        return self.study.ask()

    def _run(self, asked: OptunaTrial) -> Trial:
        _record_heartbeats(self._storage, [asked])  # a trial without one would never be stale
        self._running[asked.number] = asked
        return Trial(asked.number)


def _past(trial: FrozenTrial) -> PastTrial:
    return PastTrial(trial.number, Config.of(trial.user_attrs["config"]), tuple(trial.values or ()))


def _describe(trial: OptunaTrial, **attributes: Any) -> None:
    for name, value in attributes.items():
        trial.set_user_attr(name, _plain(value))


def _plain(value: Any) -> Any:
    """Return `value` as JSON has it: an infinite bound, which JSON can't write, becomes None."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _fail_waiting_trials(study: optuna.Study) -> None:
    """Fail trials that were enqueued by a call that was killed before it asked for them."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _record_heartbeats(storage: RDBStorage, trials: Iterable[OptunaTrial]) -> None:
    for trial in trials:
        storage.record_heartbeat(trial._trial_id)


def _unlike(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    facts = [fact for fact in now if before.get(fact) != now[fact]]
    return (
        f"Study {name!r} differs in its {' and '.join(facts)} from what is asked for now; "
        f"use {spell('fresh', True)} to replace it or another {spell('study')} for a study of its own."
    )
