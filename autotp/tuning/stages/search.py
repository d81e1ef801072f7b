"""The search: a few candidates at a time race against the baseline; survivors are those that weren't dropped."""

from collections import deque
from collections.abc import Sequence

from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.observed import Observed
from autotp.measuring.verdict import longer
from autotp.space.cpu_plugin.processors import split_places
from autotp.space.knobs.config import Config
from autotp.topology.probe import Topology
from autotp.tuning.deadlines import ARMS_AT_ONCE, judged_until, shortest_budget_s
from autotp.tuning.events import ArmEnded, ChanceLeft
from autotp.tuning.propose.proposer import Proposer
from autotp.tuning.race.race import ROUNDS_TO_SCREEN
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.baselines import HINTS, keep_baselines
from autotp.tuning.study.study import PastTrial, Role, Trial

PAST_LEADERS = 3
SMALL_CHANCE = 0.05


class Search:
    """One search over the space of `proposer`.

    It ends early when it is unlikely that anything not measured yet is better than the best by `smallest_gain`,
    the smallest ratio that the finals could prove.

    Attributes:
        survivors: candidates that weren't dropped and keep the constraints.
        aliases: how many arms turned out to be the same as one measured before.
        measured: how many arms were measured, aliases included.
        failures: why the others weren't measured.
    """

    def __init__(
        self,
        session: Session,
        proposer: Proposer,
        baselines: Baselines,
        first: Sequence[Config],
        smallest_gain: float,
    ) -> None:
        self.survivors: list[Racer] = []
        self.aliases = 0
        self.measured = 0
        self.failures: list[ArmFailure] = []
        self._session = session
        self._proposer = proposer
        self._baselines = baselines
        self._live: list[Racer] = []
        self._begun = 0
        self._raced = False
        self._first = deque(first)
        self._smallest_gain = smallest_gain

    def run(self, until: float) -> None:
        """Search until the time `until`, the requested number of trials, or until the whole space is tried.

        Raises:
            EnvironmentFailure: the best baseline failed twice.
        """
        session = self._session
        while session.budget.now() < until:
            self._start_some(until)
            if not self._live:
                if self._nothing_left or not self._in_time(until):
                    break
                continue
            failed = self._race(until)
            for racer in [racer for racer in failed if racer in self._live]:
                self._fail(racer.trial, racer.config, racer.failure)
                self._live.remove(racer)
            keep_baselines(session, self._baselines, failed)
            session.study.heartbeat()
            if self._judge() and self._is_settled():
                break
        for racer in list(self._live):
            self._end(racer, dropped=False)
        judged = [racer for racer in self.survivors if len(racer.blocks) >= session.race.rounds_to_judge]
        self.survivors = judged or self.survivors  # ranking arms by a round or two would be chance

    def _race(self, until: float) -> list[Racer]:
        """Run rounds up to the next look, dropping early what is clearly behind; return the racers that failed."""
        race = self._session.race
        failed = race.run(ROUNDS_TO_SCREEN, until)
        for racer in list(self._live):
            if racer not in failed and race.clearly_behind(racer):
                self._end(racer, dropped=True)
        if self._live and race.baseline not in failed:
            failed += race.run(race.rounds_to_judge - ROUNDS_TO_SCREEN, until)
        return failed

    @property
    def nothing_measured(self) -> str | None:
        """The reason why no candidate was measured; None if one was."""
        if self.measured:
            return None
        if self.failures and len(self.failures) == self._begun:
            return f"every candidate failed; the first: {self.failures[0]}"
        if not self._begun and self._proposer.exhausted:
            return "the space holds nothing besides OpenVINO's hints and what was tried before"
        shortest_s = shortest_budget_s(self._session, self._baselines.sound)
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
        room = max(self._session.bench.room, not self._live)
        most = min(ARMS_AT_ONCE - len(self._live), room, self._in_time(until))
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
        return max(judged_until(self._session, self._baselines.sound, until), not self._raced)

    def _next(self) -> tuple[Trial, Config]:
        session = self._session
        if self._first:
            config = self._first.popleft()
            trial = session.study.begin_known(config)
        else:
            trial, config = session.study.propose()
        self._proposer.take(config)
        self._begun += 1
        return trial, config

    def _enter(self, racer: Racer) -> None:
        self._raced = True
        self._session.known[racer.observed.key] = racer.trial.number
        self._session.study.describe_observed(racer.trial, racer.observed)
        self._session.race.enter(racer)
        self._live.append(racer)

    def _is_settled(self) -> bool:
        """Whether it is unlikely that anything better is left; report how likely it is."""
        if self._first:
            return False
        session, best = self._session, self._baselines.best
        beside = session.race.metrics(best)[session.request.objective.key]
        chance = session.study.chance_of_better(self._smallest_gain, beside)
        if chance is None:
            return False
        session.emit(ChanceLeft(chance=chance, smallest_gain=self._smallest_gain, measured=self.measured))
        return chance < SMALL_CHANCE

    def _judge(self) -> bool:
        """End the racers that are beaten or have been raced enough; return whether there are any."""
        race = self._session.race
        measured = (r for r in self._live if len(r.blocks) >= race.rounds_to_judge)
        before = self.measured
        ahead = (*self._baselines.sound, *self.survivors, *measured)
        leaders = [racer for racer in ahead if self._session.is_feasible(racer)]
        for racer in list(self._live):
            if race.beaten(racer, leaders):
                self._end(racer, dropped=True)
            elif len(racer.blocks) >= race.rounds_to_settle:
                self._end(racer, dropped=False)
        return self.measured > before

    def _end(self, racer: Racer, dropped: bool) -> None:
        session = self._session
        self._live.remove(racer)
        session.race.leave(racer)
        if not racer.blocks:
            return  # the time ran out as it started; the trial is abandoned at the end
        session.study.describe(racer.trial, dropped=dropped)
        if session.complete(racer.trial, racer, racer.rows) and not dropped:
            self.survivors.append(racer)
        self._proposer.learn(racer.config, failed=False)
        self.measured += 1

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
    session: Session, proposer: Proposer, topology: Topology, best_elsewhere: Sequence[Config]
) -> list[Config]:
    """Return what is tried first: the best of an earlier call, then of another tuning, then the usual ones.

    The usual ones are the workload's first settings.

    The hints, and whatever an earlier call measured, are marked as taken in `proposer`.
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
    for config in measured:
        proposer.take(config)
    for trial in session.study.finished(Role.ALIAS):
        proposer.take(trial.config)
    for trial in session.study.failed():
        proposer.take(trial.config)
        proposer.learn(trial.config, failed=True)
    others = dict.fromkeys((*best_elsewhere, *known))
    return [*leaders, *(config for config in others if proposer.holds(config))]


def _past_trials(session: Session) -> list[PastTrial]:
    """Return the search trials that earlier calls measured, the best first."""
    trials = session.study.finished(Role.SEARCH)
    return sorted(trials, key=lambda trial: trial.values[0], reverse=session.request.objective.maximize)
