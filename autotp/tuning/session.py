"""What the stages of a tuning share: what was asked, the study, the bench, the race, the budget."""

from collections.abc import Sequence

from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.bench import Bench
from autotp.measuring.rounds.blocks import LONGEST_BLOCK_SHARE, BlockSettings
from autotp.space import Config
from autotp.topology import Envelope
from autotp.tuning.budget import Budget
from autotp.tuning.constraints import violations
from autotp.tuning.events import ArmEnded, Listener
from autotp.tuning.race.race import Race
from autotp.tuning.race.racer import Racer
from autotp.tuning.request import TuneRequest
from autotp.tuning.study.block_columns import Row
from autotp.tuning.study.study import Study, Trial


class Session:
    """A tuning in progress.

    Attributes:
        request: what was asked for.
        study: records what happens.
        bench: makes arms of configs.
        race: runs them in rounds and estimates their gains.
        budget: the time there is, and the clock.
        emit: hears each event.
        known: the number of the trial of each arm that was started, by what it was observed to be; an arm that is
            already known is an alias and isn't measured again.
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
        self.known: dict[object, int] = {}

    def keeps_constraints(self, racer: Racer) -> bool:
        """Whether `racer`, as far as it has been measured, keeps every constraint."""
        constraints = self.request.constraints
        if not constraints:
            return True
        return all(violation <= 0 for violation in violations(constraints, self.race.metrics(racer)).values())

    def keeping(self, racers: Sequence[Racer]) -> list[Racer]:
        """Return those of `racers` that keep every constraint as far as measured, all if none does."""
        return [racer for racer in racers if self.keeps_constraints(racer)] or list(racers)

    def complete(self, trial: Trial, racer: Racer, rows: list[Row]) -> bool:
        """Record and report what `racer` did in `trial`, `rows`; return whether it keeps every constraint."""
        metrics, gain = self.race.metrics(racer), self.race.estimate(racer).interval
        self.study.describe(trial, gain=gain)
        self.study.complete(trial, metrics, rows)
        broken = [text for text, v in violations(self.request.constraints, metrics).items() if v > 0]
        proof = racer.observed.proof
        self.emit(
            ArmEnded(
                trial=trial.number,
                config=racer.config.to_dict(),
                status="OK",
                gain=gain,
                rounds=len(rows),
                proof=proof.state if proof else None,
                reason=f"breaks {', '.join(broken)}" if broken else None,
            )
        )
        return not broken

    def fail(self, trial: Trial, config: Config, failure: ArmFailure) -> None:
        """Record and report that the arm of `trial` failed."""
        self.study.fail(trial, failure)
        self.emit(
            ArmEnded(trial=trial.number, config=config.to_dict(), status=failure.status, reason=failure.message)
        )

    def close(self) -> None:
        """Stop every arm and delete temporary files."""
        self.bench.close()
