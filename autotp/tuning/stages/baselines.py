"""The first stage: OpenVINO's hints and the user's own settings, if given, race against one another.

Baselines that compile to the same thing are one arm. Gains are relative to the best baseline.
"""

from collections.abc import Sequence
from math import inf
from typing import Any

import msgspec

from autotp.errors import EnvironmentFailure
from autotp.findings.proof import Proof, ProofState
from autotp.measuring.failure import ArmFailure
from autotp.measuring.jobs.observed import Observed
from autotp.space.knobs.config import Config
from autotp.tuning.deadlines import LONG_WAIT_S, before_search, check_budget, check_early, check_first_look
from autotp.tuning.events import ArmEnded, ArmsTakeTurns, BaselinesRaced
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.session import Session
from autotp.tuning.study.study import Role

HINTS = tuple(Config.of({"performance_hint": hint}) for hint in ("latency", "throughput", "none"))
OPENING_ROUNDS = 20
OPENING_SHARE = 0.3  # of the budget at most


class _Started(msgspec.Struct, frozen=True):
    """The baselines that were started, aliases of them, those whose split isn't active, and those that failed."""

    racers: list[Racer]
    aliases: list[Config]
    unproven: list[tuple[Config, Proof]]
    failed: list[tuple[Config, str]]


def race_baselines(session: Session, candidates: int = 1) -> Baselines:
    """Start and race the baselines; report it if the budget is too short for so many `candidates` and a verdict.

    That is reported after a first look at a hint where the reference took long, and else after the first round
    where rounds do.

    Returns:
        The best one, which stays in the race, and those not proven slower, which are stopped.

    Raises:
        ModelError: OpenVINO can't compile the model or can't run it on its inputs.
        EnvironmentFailure: the reference outputs, every hint, or the user's own settings failed otherwise.
    """
    began = session.budget.now()
    try:
        session.bench.record_reference()
    except ArmFailure as failure:
        raise failure.as_error("The reference outputs can't be computed", EnvironmentFailure) from failure
    reference_s = session.budget.now() - began
    if (turn_start_s := session.bench.take_turns(HINTS[0])) is not None:
        session.race.take_turns(turn_start_s)
        session.emit(ArmsTakeTurns(start_s=turn_start_s))
    elif reference_s > LONG_WAIT_S:
        _take_first_look(session, reference_s, candidates)
    started = _start(session)
    _run_opening_rounds(session, candidates)
    racers = [racer for racer in started.racers if racer.failure is None]
    if not racers:
        raise EnvironmentFailure("Every baseline failed while it was measured; nothing can be compared.")
    session.race.choose_baseline(racers[0])
    best = max(racers, key=lambda racer: _rank(session, racer))
    session.race.choose_baseline(best)
    others = [racer for racer in racers if racer is not best]
    alike = tuple(racer for racer in others if not session.race.beaten(racer, [best]))
    for racer in others:
        retire_baseline(session, racer)
    metrics = session.race.metrics(best)
    session.emit(
        BaselinesRaced(
            baseline=best.config.to_dict(),
            metrics=metrics,
            aliases=tuple(alias.to_dict() for alias in started.aliases),
            beyond_tolerance=_beyond_tolerance(session, racers),
            unproven=tuple((config.to_dict(), proof) for config, proof in started.unproven),
            unchecked=dict(session.bench.unchecked),
        )
    )
    check_budget(session, (best, *alike), candidates)
    crashed = [(racer.config, str(racer.failure)) for racer in started.racers if racer.failure is not None]
    return Baselines(best, alike, (*started.failed, *crashed))


def keep_baseline(session: Session, best: Racer, failed: Sequence[Racer]) -> None:
    """Restart, once, the best baseline if it is one of those that `failed` in the race.

    Raises:
        EnvironmentFailure: it failed again.
    """
    if best not in failed or _start_again(session, best):
        return
    _fail(session, [best])
    session.study.abandon()
    raise EnvironmentFailure(
        f"The best baseline ({best.config}) failed again; nothing can be compared with it: {best.failure}."
    )


def _take_first_look(session: Session, reference_s: float, candidates: int) -> None:
    """Report it if the budget is too short, by a start and a block of a hint.

    The reference took `reference_s`; it reads all inputs twice, and an arm that is compared with it once.
    """
    if look := session.bench.first_look(HINTS[0], session.race.blocks.first_look):
        check_first_look(session, look, reference_s / 2, candidates)


def _start_again(session: Session, racer: Racer) -> bool:
    """Let `racer` go on in new processes if this was its first failure and they start; report it."""
    failure = racer.failure
    if racer.is_second or failure is None:
        return False
    ((arm, outcome),) = session.bench.start([racer.config], gated=False)
    if isinstance(outcome, ArmFailure):
        racer.failure = outcome
        return False
    racer.arm, racer.failure, racer.is_second = arm, None, True
    session.race.enter(racer)
    reason = f"{failure.message}; this baseline was started again"
    number, config = racer.trial.number, racer.config.to_dict()
    session.emit(ArmEnded(trial=number, config=config, status=failure.status, reason=reason))
    return True


def retire_baseline(session: Session, racer: Racer) -> None:
    """Stop a baseline and end its trial."""
    session.race.leave(racer)
    metrics = session.race.metrics(racer)
    gain = session.race.estimate(racer).interval
    session.study.describe(racer.trial, gain=gain)
    session.study.complete(racer.trial, metrics, racer.rows)


def _start(session: Session) -> _Started:
    """Start the baselines, and let those that aren't aliases of another enter the race."""
    configs = [*HINTS, *([session.request.baseline] if session.request.baseline else [])]
    outcomes = session.bench.start(configs, gated=False)
    racers: dict[object, Racer] = {}
    aliases: list[Config] = []
    unproven: list[tuple[Config, Proof]] = []
    failed: list[tuple[Config, str]] = []
    for config, (arm, outcome) in zip(configs, outcomes, strict=True):
        if isinstance(outcome, Observed) and outcome.proof and outcome.proof.state is not ProofState.ACTIVE:
            unproven.append((config, outcome.proof))
        if isinstance(outcome, Observed) and outcome.key in racers:
            arm.stop()
            aliases.append(config)
            continue
        trial = session.study.begin(Role.BASELINE, config)
        if isinstance(outcome, ArmFailure):
            session.fail(trial, config, outcome)
            if config == session.request.baseline:
                raise EnvironmentFailure(f"Your own settings ({config}) can't be measured: {outcome}.")
            failed.append((config, str(outcome)))
            continue
        racers[outcome.key] = Racer(f"trial {trial.number}", config, outcome, arm, trial)
        session.known[outcome.key] = trial.number
        session.study.describe_observed(trial, outcome)
    if not any(racer.config in HINTS for racer in racers.values()):
        first = next(outcome for _, outcome in outcomes if isinstance(outcome, ArmFailure))
        raise first.as_error("OpenVINO's own hints failed here", EnvironmentFailure)
    session.bench.accept_hints({r.config: r.observed for r in racers.values() if r.config in HINTS})
    for racer in racers.values():
        if racer.config not in HINTS and (wrong := session.bench.wrong_output(racer.config, racer.observed)):
            raise EnvironmentFailure(f"Your own settings ({racer.config}) give wrong outputs: {wrong.message}.")
        session.race.enter(racer)
    return _Started(list(racers.values()), aliases, unproven, failed)


def _beyond_tolerance(session: Session, racers: list[Racer]) -> tuple[tuple[dict[str, Any], str], ...]:
    """Return the baselines whose output error is beyond the user's tolerance, each with the reason."""
    found = [(racer.config, session.bench.wrong_output(racer.config, racer.observed)) for racer in racers]
    return tuple((config.to_dict(), failure.message) for config, failure in found if failure is not None)


def _run_opening_rounds(session: Session, candidates: int) -> None:
    """Run the rounds that choose the best baseline: enough to drop slow ones, and more if the finals allow it.

    Each baseline that is dropped makes the finals shorter.
    """
    race, latest = session.race, session.budget.at(OPENING_SHARE)
    _fail(session, race.fit_blocks())
    _fail(session, race.run(1, inf))  # even if the budget is too short: the result needs figures
    if running := list(race.live.values()):
        check_early(session, running, candidates)
    _fail(session, race.run(race.rounds_to_judge - 1, latest))
    if running := list(race.live.values()):
        more = race.blocks.rounds(OPENING_ROUNDS) - race.rounds_to_judge
        _fail(session, race.run(more, min(latest, before_search(session, running))))


def _rank(session: Session, racer: Racer) -> tuple[bool, float]:
    return session.is_feasible(racer), session.race.estimate(racer).log_gain


def _fail(session: Session, racers: list[Racer]) -> None:
    for racer in racers:
        assert racer.failure is not None
        session.fail(racer.trial, racer.config, racer.failure)
