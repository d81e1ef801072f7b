"""The search: a few candidates at a time race against the baseline; survivors are those that weren't dropped."""

from math import log

import msgspec

from autotp.tuning.deadlines import SearchEnd
from autotp.tuning.events import ChanceLeft
from autotp.tuning.race.race import ROUNDS_TO_SCREEN
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.stages.candidates import Candidates

SMALL_CHANCE = 0.05
FAR_AHEAD = 3.0  # times the smallest log-gain that could be proven


def search(
    session: Session, candidates: Candidates, baselines: Baselines, smallest_gain: float, end: SearchEnd
) -> float:
    """Race `candidates` until the time is over, the requested number of trials, or until the space is tried.

    It ends early when it is unlikely that anything not measured yet is better than the best by `smallest_gain`,
    the smallest ratio that the finals could prove.

    Returns:
        When it had to end at the latest, now that it is known how far ahead the best candidate is.

    Raises:
        EnvironmentFailure: the best of `baselines` failed twice.
    """
    contest = _Contest(session, candidates, baselines, smallest_gain)
    until = end.usual
    if not contest.run(until) and contest.is_far_ahead():
        until = end.latest
        contest.run(until)
    for racer in list(candidates.live):
        candidates.end(racer, dropped=False)
    judged = [racer for racer in candidates.survivors if len(racer.blocks) >= session.race.rounds_to_judge]
    candidates.survivors = judged or candidates.survivors  # ranking arms by a round or two would be chance
    return until


class _Contest(msgspec.Struct, frozen=True):
    """Candidates against the best baseline; `smallest_gain` is the smallest ratio that the finals could prove."""

    session: Session
    candidates: Candidates
    baselines: Baselines
    smallest_gain: float

    def run(self, until: float) -> bool:
        """Race candidates until the time `until`; return whether it is unlikely that anything better is left."""
        for _ in self.candidates.racing(until):
            self.candidates.take_out(self._race(until))
            if self._judge() and self._is_settled():
                return True
        return False

    def is_far_ahead(self) -> bool:
        """Whether the best candidate is so far ahead of the baseline that short finals will prove it."""
        race = self.session.race
        best = max((race.estimate(racer).log_gain for racer in self.candidates.survivors), default=0.0)
        return best > FAR_AHEAD * log(self.smallest_gain)

    def _race(self, until: float) -> list[Racer]:
        """Run rounds up to the next look, dropping early what is clearly behind; return the racers that failed."""
        race, candidates = self.session.race, self.candidates
        failed = race.run(ROUNDS_TO_SCREEN, candidates.deadline(until))
        for racer in list(candidates.live):
            if racer not in failed and race.clearly_behind(racer):
                candidates.end(racer, dropped=True)
        if candidates.live and race.baseline not in failed:
            failed += race.run(race.rounds_to_judge - ROUNDS_TO_SCREEN, until)
        return failed

    def _judge(self) -> bool:
        """End the candidates that are beaten or have been raced enough; return whether there are any."""
        race, candidates = self.session.race, self.candidates
        measured = (racer for racer in candidates.live if len(racer.blocks) >= race.rounds_to_judge)
        before = candidates.measured
        ahead = (*self.baselines.all, *candidates.survivors, *measured)
        leaders = [racer for racer in ahead if self.session.is_feasible(racer)]
        for racer in list(candidates.live):
            if race.beaten(racer, leaders):
                candidates.end(racer, dropped=True)
            elif len(racer.blocks) >= race.rounds_to_settle or race.behind(racer, leaders):
                candidates.end(racer, dropped=False)
        return candidates.measured > before

    def _is_settled(self) -> bool:
        """Whether it is unlikely that anything better is left; report how likely it is."""
        if not self.candidates.first_are_tried:
            return False
        session, measured = self.session, self.candidates.measured
        beside = session.race.metrics(self.baselines.best)[session.request.objective.key]
        chance = session.study.chance_of_better(self.smallest_gain, beside)
        if chance is None:
            return False
        session.emit(ChanceLeft(chance=chance, smallest_gain=self.smallest_gain, measured=measured))
        return chance < SMALL_CHANCE
