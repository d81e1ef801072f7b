"""The baselines: OpenVINO's hints, and the person's own settings where given, raced against one another.

Configs that turn out to be the same are one arm. The best of them is what every gain is relative to.
"""

from functools import partial
from math import inf

from autotp.errors import EnvironmentFailure
from autotp.measure import ArmFailure, ProofState, Status, measure_noise
from autotp.search.events import ArmEnded, Baselined, Gauged
from autotp.search.observed import Observed, Outcome
from autotp.search.race import Racer
from autotp.search.session import Session
from autotp.search.store import Role
from autotp.space import Config

HINTS = tuple(Config.of({"performance_hint": hint}) for hint in ("latency", "throughput", "none"))
OPENING_ROUNDS = 20
NOISE_SHARE = 0.04  # of the budget, for the best baseline against itself


def race_baselines(session: Session) -> list[Racer]:
    """Start and race the baselines.

    Returns:
        The best one first, then those not proven slower; they stay live.

    Raises:
        EnvironmentFailure: the reference or every hint failed.
    """
    try:
        session.bench.record_reference()
    except ArmFailure as failure:
        raise EnvironmentFailure(f"The reference outputs can't be computed: {failure}.") from failure
    racers, aliases, unproven = _start(session)
    _fail(session, session.race.fit_blocks())
    _fail(session, session.race.run(1, inf))  # however short the budget: what ships has figures
    _fail(session, session.race.run(_opening_rounds(session) - 1, session.at(0.3)))
    racers = [racer for racer in racers if racer.failure is None]
    if not racers:
        raise EnvironmentFailure("Every baseline failed while it was measured; nothing can be compared.")
    session.race.choose_baseline(racers[0])
    best = max(racers, key=lambda racer: _rank(session, racer))
    session.race.choose_baseline(best)
    for racer in racers:
        if racer is not best and session.race.beaten(racer, [best]):
            retire_baseline(session, racer)
    metrics = session.race.metrics(best)
    session.tell(
        Baselined(
            baseline=best.config.to_dict(),
            metrics=metrics,
            aliases=tuple(alias.to_dict() for alias in aliases),
            warnings=(*_beyond_tolerance(session, racers), *unproven),
        )
    )
    return [best, *(r for r in racers if r is not best and r.key in session.race.live)]


def gauge_noise(session: Session, best: Racer) -> None:
    """Run the best baseline against itself, take the block length that serves best, and say what can be proved.

    Raises:
        EnvironmentFailure: it failed.
    """
    seconds = NOISE_SHARE * session.request.budget_s
    make = partial(session.bench.arm, best.config, checked=False)
    objective, seed = session.request.objective, session.request.seed
    try:
        noise = measure_noise(make, objective, session.race.blocks, seconds, seed, session.now)
    except ArmFailure as failure:
        raise EnvironmentFailure(
            f"The best baseline ({best.config}) failed in new processes: {failure}."
        ) from failure
    session.race.set_block_length(noise.block_s)
    session.store.note(noise=noise)
    session.tell(Gauged(noise=noise))


def retire_baseline(session: Session, racer: Racer) -> None:
    """Stop a baseline and tell its trial."""
    session.race.leave(racer)
    metrics = session.race.metrics(racer)
    gain = session.race.standing(racer).interval
    session.store.describe(racer.trial, gain=gain)
    session.store.complete(racer.trial, metrics, racer.rows)


def _start(session: Session) -> tuple[list[Racer], list[Config], list[str]]:
    """Start what is raced; return also what is an alias of it, and a warning for each split that isn't active."""
    configs = [*HINTS, *([session.request.baseline] if session.request.baseline else [])]
    outcomes = session.bench.start(configs, gated=False)
    racers: dict[object, Racer] = {}
    aliases: list[Config] = []
    unproven: list[str] = []
    for config, (arm, outcome) in zip(configs, outcomes, strict=True):
        if isinstance(outcome, Observed) and outcome.proof and outcome.proof.state is not ProofState.ACTIVE:
            unproven.append(f"{config}: {outcome.proof.words}")
        if isinstance(outcome, Observed) and outcome.key in racers:
            arm.stop()
            aliases.append(config)
            continue
        trial = session.store.begin(Role.BASELINE, config)
        if isinstance(outcome, ArmFailure):
            session.store.fail(trial, outcome)
            if config == session.request.baseline:
                raise EnvironmentFailure(f"Your own settings ({config}) can't be measured: {outcome}.")
            continue
        racers[outcome.key] = Racer(f"trial {trial.number}", config, outcome, arm, trial)
        session.store.describe_observed(trial, outcome)
    if not any(racer.config in HINTS for racer in racers.values()):
        raise EnvironmentFailure(f"OpenVINO's own hints failed here: {_first_failure([o for _, o in outcomes])}.")
    session.bench.accept_hints({r.config: r.observed for r in racers.values() if r.config in HINTS})
    for racer in racers.values():
        if racer.config not in HINTS and (wrong := session.bench.wrong_output(racer.observed)):
            raise EnvironmentFailure(f"Your own settings ({racer.config}) give wrong outputs: {wrong.message}.")
        session.race.enter(racer)
    return list(racers.values()), aliases, unproven


def _beyond_tolerance(session: Session, racers: list[Racer]) -> tuple[str, ...]:
    """Return a warning for each baseline whose outputs are beyond the person's absolute bound."""
    found = [(racer.config, session.bench.wrong_output(racer.observed)) for racer in racers]
    return tuple(f"{config}: {failure.message}" for config, failure in found if failure is not None)


def _opening_rounds(session: Session) -> int:
    return max(session.race.rounds_to_judge, session.race.blocks.rounds(OPENING_ROUNDS))


def _rank(session: Session, racer: Racer) -> tuple[bool, float]:
    return session.keeps_constraints(racer), session.race.standing(racer).log_gain


def _fail(session: Session, racers: list[Racer]) -> None:
    for racer in racers:
        assert racer.failure is not None
        session.store.fail(racer.trial, racer.failure)
        session.tell(
            ArmEnded(
                trial=racer.trial.number,
                config=racer.config.to_dict(),
                status=racer.failure.status,
                reason=racer.failure.message,
            )
        )


def _first_failure(outcomes: list[Outcome]) -> str:
    failures = [outcome for outcome in outcomes if isinstance(outcome, ArmFailure)]
    return str(failures[0]) if failures else str(Status.CRASHED)
