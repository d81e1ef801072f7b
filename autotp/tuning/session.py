"""The state that the stages of a tuning share: request, study, bench, race, budget."""

from collections.abc import Sequence

from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.bench import Bench
from autotp.measuring.rounds.blocks import LONGEST_BLOCK_SHARE, BlockSettings
from autotp.space.knobs.config import Config
from autotp.topology.envelope.envelope import Envelope
from autotp.tuning.budget import Budget
from autotp.tuning.constraints import broken
from autotp.tuning.events import ArmEnded, Listener
from autotp.tuning.race.race import Race
from autotp.tuning.race.racer import Racer
from autotp.tuning.request import TuneRequest
from autotp.tuning.study.block_columns import Row
from autotp.tuning.study.study import Study, Trial


class Session:
    """A tuning in progress.

    Attributes:
        request: what the user requested.
        study: records what happens.
        bench: makes an arm from a config.
        race: runs them in rounds and estimates their gains.
        budget: the wall time, and the clock.
        emit: called with each event.
        told_of_budget: whether the budget was reported to be too short; once is enough.
        known: the trial number of each arm that was started, by the key of what was observed; another arm with the
            same key is an alias and isn't measured again.
    """

    def __init__(
        self, request: TuneRequest, envelope: Envelope, study: Study, bench: Bench, budget: Budget, emit: Listener
    ) -> None:
        self.request = request
        self.study = study
        self.bench = bench
        self.budget = budget
        self.emit = emit
        blocks = BlockSettings.within(envelope, request.workload)
        longest_block_s = budget.total_s * LONGEST_BLOCK_SHARE
        self.race = Race(request.objectives, request.seed, blocks, longest_block_s, budget.now)
        self.told_of_budget = False
        self.known: dict[object, int] = {}

    def is_feasible(self, racer: Racer) -> bool:
        """Whether `racer` keeps every constraint, by its measurements so far."""
        constraints = self.request.constraints
        return not constraints or not broken(constraints, self.race.metrics(racer))

    def feasible_or_all(self, racers: Sequence[Racer]) -> list[Racer]:
        """Return those of `racers` that keep every constraint, or all of them if none does."""
        return [racer for racer in racers if self.is_feasible(racer)] or list(racers)

    def complete(self, trial: Trial, racer: Racer, rows: list[Row]) -> bool:
        """Complete `trial` of `racer` with the blocks `rows`; return whether it keeps every constraint."""
        metrics, gain = self.race.metrics(racer), self.race.estimate(racer).interval
        self.study.describe(trial, gain=gain)
        self.study.complete(trial, metrics, rows)
        beyond = broken(self.request.constraints, metrics)
        proof = racer.observed.proof
        self.emit(
            ArmEnded(
                trial=trial.number,
                config=racer.config.to_dict(),
                status="OK",
                gain=gain,
                rounds=len(rows),
                proof=proof.state if proof else None,
                reason=f"breaks {', '.join(beyond)}" if beyond else None,
            )
        )
        return not beyond

    def fail(self, trial: Trial, config: Config, failure: ArmFailure) -> None:
        """Record and report that the arm of `trial` failed."""
        self.study.fail(trial, failure)
        self.emit(
            ArmEnded(trial=trial.number, config=config.to_dict(), status=failure.status, reason=failure.message)
        )

    def close(self) -> None:
        """Stop every arm and delete temporary files."""
        self.bench.close()
