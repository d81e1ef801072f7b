"""Candidates: the configs that a search measures, from the start of their processes to the end of their trials."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import inf

from autotp.findings.ceiling import Ceiling
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.verdict import longer
from autotp.space.cpu_plugin.processors import split_places
from autotp.space.knobs.config import Config
from autotp.topology.probe import Topology
from autotp.tuning.deadlines import ARMS_AT_ONCE, judged_until, shortest_budget_s
from autotp.tuning.events import ArmEnded
from autotp.tuning.propose.proposer import Proposer
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import HINTS, keep_baseline
from autotp.tuning.stages.ceiling import in_order
from autotp.tuning.study.study import PastTrial, Role, Trial

PAST_LEADERS = 3

Propose = Callable[[], tuple[Trial, Config]]


class Candidates:
    """Starts candidates beside the baselines, a few at a time, and ends their trials.

    Args:
        session: the tuning.
        proposer: what is tried, and how it ends, is marked there.
        baselines: what the candidates race against.
        first: what is tried first.
        propose: begins a trial of what is tried afterwards.

    Attributes:
        live: the candidates that are racing.
        raced: those that raced and were measured.
        ended: those of them that weren't dropped.
        survivors: those of these that keep the constraints.
        measured: how many were measured, aliases included.
        aliases: how many turned out to be the same as an arm measured before.
        failures: why the others weren't measured.
    """

    def __init__(
        self,
        session: Session,
        proposer: Proposer,
        baselines: Baselines,
        first: Sequence[Config],
        propose: Propose,
    ) -> None:
        self.live: list[Racer] = []
        self.raced: list[Racer] = []
        self.ended: list[Racer] = []
        self.survivors: list[Racer] = []
        self.measured = 0
        self.aliases = 0
        self.failures: list[ArmFailure] = []
        self._session = session
        self._proposer = proposer
        self._baselines = baselines
        self._first = deque(first)
        self._propose = propose
        self._begun = 0
        self._any_entered = False

    def racing(self, until: float) -> Iterator[None]:
        """Start candidates, and yield while there are any to race.

        It ends at the time `until`, after the requested number of trials, or when the whole space is tried.
        """
        while self._session.budget.now() < until:
            self._start_some(until)
            if self.live:
                yield
            elif self._nothing_left or not self._in_time(until):
                return

    def deadline(self, until: float) -> float:
        """Return `until`, or no deadline while nothing has been measured: one candidate is raced in any case.

        A start that takes longer than expected would else leave no time for a single round.
        """
        return until if self.measured else inf

    def take_out(self, failed: Sequence[Racer]) -> None:
        """End those that `failed` in the last rounds; the baseline is started again if it did.

        Raises:
            EnvironmentFailure: the best baseline failed twice.
        """
        for racer in [racer for racer in failed if racer in self.live]:
            self._fail(racer.trial, racer.config, racer.failure)
            self.live.remove(racer)
        keep_baseline(self._session, self._baselines.best, failed)
        self._session.study.heartbeat()

    def end(self, racer: Racer, dropped: bool) -> None:
        """Stop `racer`, which is live, and complete its trial."""
        session = self._session
        self.live.remove(racer)
        session.race.leave(racer)
        if not racer.blocks:
            return  # the time ran out as it started; the trial is abandoned at the end
        session.study.describe(racer.trial, dropped=dropped)
        keeps_constraints = session.complete(racer.trial, racer, racer.rows)
        self.raced.append(racer)
        if not dropped:
            self.ended.append(racer)
            self.survivors += [racer] if keeps_constraints else []
        self._proposer.learn(racer.config, failed=False)
        self.measured += 1

    @property
    def first_are_tried(self) -> bool:
        """Whether all that was to be tried first has begun."""
        return not self._first

    @property
    def nothing_measured(self) -> str | None:
        """The reason why no candidate was measured; None if one was."""
        if self.measured:
            return None
        if self.failures and len(self.failures) == self._begun:
            return f"every candidate failed; the first: {self.failures[0]}"
        if not self._begun and self._proposer.exhausted:
            return "the space holds nothing besides OpenVINO's hints and what was tried before"
        shortest_s = shortest_budget_s(self._session, self._baselines.all)
        return f"no candidate could be measured within the budget: give {longer(shortest_s)}"

    @property
    def _nothing_left(self) -> bool:
        wanted = self._session.request.trials
        if wanted is not None and self._begun >= wanted:
            return True
        return not self._first and self._proposer.exhausted

    def _start_some(self, until: float) -> None:
        """Start as many candidates as there is room for and can be judged until the time `until`."""
        entries: list[tuple[Trial, Config]] = []
        room = max(self._session.bench.room, not self.live)
        most = min(ARMS_AT_ONCE - len(self.live), room, self._in_time(until))
        while len(entries) < most and not self._nothing_left:
            entries.append(self._next())
        outcomes = self._session.bench.start([config for _, config in entries])
        for (trial, config), (arm, outcome) in zip(entries, outcomes, strict=True):
            if isinstance(outcome, ArmFailure):
                self._fail(trial, config, outcome)
            elif outcome.key in self._session.known:
                arm.stop()
                self._session.study.describe_observed(trial, outcome)
                self._alias(trial, config, outcome)
            else:
                self._enter(Racer(f"trial {trial.number}", config, outcome, arm, trial))

    def _in_time(self, until: float) -> int:
        """Return how many more candidates can be judged until the time `until`; one is raced in any case."""
        return max(judged_until(self._session, self._baselines.all, until), not self._any_entered)

    def _next(self) -> tuple[Trial, Config]:
        if self._first:
            config = self._first.popleft()
            trial = self._session.study.begin_known(config)
        else:
            trial, config = self._propose()
        self._proposer.take(config)
        self._begun += 1
        return trial, config

    def _enter(self, racer: Racer) -> None:
        self._any_entered = True
        self._session.known[racer.observed.key] = racer.trial.number
        self._session.study.describe_observed(racer.trial, racer.observed)
        self._session.race.enter(racer)
        self.live.append(racer)

    def _fail(self, trial: Trial, config: Config, failure: ArmFailure | None) -> None:
        assert failure is not None
        self._session.fail(trial, config, failure)
        self._proposer.learn(config, failed=True)
        self.failures.append(failure)

    def _alias(self, trial: Trial, config: Config, observed: Observed) -> None:
        """End a trial whose config turned out, once compiled, to be an alias."""
        of = self._session.known[observed.key]
        self.aliases += 1
        self._session.study.alias(trial, of)
        self.measured += 1
        self._session.emit(
            ArmEnded(
                trial=trial.number,
                config=config.to_dict(),
                status="ALIAS",
                proof=observed.proof.state if observed.proof else None,
                reason=f"OpenVINO makes the same of it as of trial {of}",
            )
        )


def first_configs(
    session: Session,
    proposer: Proposer,
    topology: Topology,
    best_elsewhere: Sequence[Config],
    ceiling: Ceiling | None = None,
) -> list[Config]:
    """Return what is tried first: the best of an earlier call, then of another tuning, then the usual ones.

    The usual ones are the workload's first settings, in the order of what `ceiling` says that they can give.

    The hints are marked as taken in `proposer`; so is what an earlier call measured, unless all is to be measured.
    """
    for config in HINTS:
        proposer.take(config)
    cpus = set(topology.envelope.cpus)
    cores = len({cpu.core for cpu in topology.machine.cpus if cpu.id in cpus})
    sockets = len(split_places(topology.machine, topology.envelope.cpus))
    tried = session.request.workload.first_settings(cores, sockets)
    known = [found for settings in tried if (found := proposer.find(settings))]
    measured = dict.fromkeys(trial.config for trial in _past_trials(session))
    leaders = [config for config in measured if proposer.holds(config)][:PAST_LEADERS]
    for config in () if session.request.exhaustive else measured:
        proposer.take(config)
    for trial in session.study.finished(Role.ALIAS):
        proposer.take(trial.config)
    for trial in session.study.failed():
        proposer.take(trial.config)
        proposer.learn(trial.config, failed=True)
    others = dict.fromkeys((*best_elsewhere, *in_order(known, ceiling)))
    return [*leaders, *(config for config in others if proposer.holds(config))]


def _past_trials(session: Session) -> list[PastTrial]:
    """Return the search trials that earlier calls measured, the best first."""
    trials = session.study.finished(Role.SEARCH)
    return sorted(trials, key=lambda trial: trial.values[0], reverse=session.request.objective.maximize)
