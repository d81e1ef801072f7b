"""The baselines: OpenVINO's hints, and the person's own settings where given, raced against one another.

Configs that turn out to be the same are one arm. The best of them is what every gain is relative to.
"""

from functools import partial
from math import inf

from autotp.deploy.headline import proof_words
from autotp.errors import EnvironmentFailure
from autotp.findings import ProofState
from autotp.measuring.failure import ArmFailure, Status
from autotp.measuring.observed import Observed, Outcome
from autotp.measuring.rounds.noise import Noise, least_seconds, measure_noise
from autotp.space import Config
from autotp.tuning.events import ArmEnded, Baselined, Gauged
from autotp.tuning.race.race import Racer
from autotp.tuning.session import Session
from autotp.tuning.study.study import Role

HINTS = tuple(Config.of({"performance_hint": hint}) for hint in ("latency", "throughput", "none"))
OPENING_ROUNDS = 20
NOISE_SHARE = 0.04  # of the budget, for the best baseline against itself, beyond the starts
MOST_NOISE_SHARE = 0.1  # with the starts


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

    Where there is no time or memory for that, or it fails, blocks stay as long as they are: the finals run the
    baseline against itself, too.
    """
    deadline = min(session.now() + MOST_NOISE_SHARE * session.request.budget_s, session.at(0.4))
    block_s = session.race.seconds_a_block([best])
    if session.now() + least_seconds(session.bench.arm_start_s, block_s) > deadline:
        session.tell(Gauged(reason="running the best baseline against itself would take too much of the budget"))
    elif session.bench.room < 2:
        session.tell(Gauged(reason="the memory that is left doesn't hold the best baseline twice more"))
    else:
        try:
            noise = _noise(session, best, deadline)
        except ArmFailure as failure:
            session.tell(Gauged(reason=f"the best baseline failed in new processes ({failure})"))
        else:
            session.race.set_block_length(noise.block_s)
            session.store.note(noise=noise)
            session.tell(Gauged(noise=noise, by_count=session.race.blocks.by_count))


def _noise(session: Session, best: Racer, deadline: float) -> Noise:
    request, race = session.request, session.race
    return measure_noise(
        partial(session.bench.arm, best.config, checked=False),
        request.objective,
        race.blocks,
        NOISE_SHARE * request.budget_s,
        request.seed,
        session.now,
        deadline=deadline,
        patience=race.patience,
    )


def keep_baselines(session: Session, baselines: list[Racer], failed: list[Racer]) -> None:
    """Start those of `baselines` that `failed` in the race again, once; those that fail for good are taken out.

    Raises:
        EnvironmentFailure: the best one failed for good.
    """
    best = session.race.baseline
    for racer in [racer for racer in baselines if racer in failed]:
        if _start_again(session, racer):
            continue
        baselines.remove(racer)
        _fail(session, [racer])
        if racer is best:
            session.store.abandon()
            raise EnvironmentFailure(
                f"The best baseline ({best.config}) failed again; nothing can be compared with it: {best.failure}."
            )


def _start_again(session: Session, racer: Racer) -> bool:
    """Let `racer` race on in a second process, if this is its first failure and it starts; tell that it does."""
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
    session.tell(ArmEnded(trial=number, config=config, status=failure.status, reason=reason))
    return True


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
            unproven.append(f"{config}: {proof_words(outcome.proof)}")
        if isinstance(outcome, Observed) and outcome.key in racers:
            arm.stop()
            aliases.append(config)
            continue
        trial = session.store.begin(Role.BASELINE, config)
        if isinstance(outcome, ArmFailure):
            session.fail(trial, config, outcome)
            if config == session.request.baseline:
                raise EnvironmentFailure(f"Your own settings ({config}) can't be measured: {outcome}.")
            continue
        racers[outcome.key] = Racer(f"trial {trial.number}", config, outcome, arm, trial)
        session.known[outcome.key] = trial.number
        session.store.describe_observed(trial, outcome)
    if not any(racer.config in HINTS for racer in racers.values()):
        raise EnvironmentFailure(f"OpenVINO's own hints failed here: {_first_failure([o for _, o in outcomes])}.")
    session.bench.accept_hints({r.config: r.observed for r in racers.values() if r.config in HINTS})
    for racer in racers.values():
        if racer.config not in HINTS and (wrong := session.bench.wrong_output(racer.config, racer.observed)):
            raise EnvironmentFailure(f"Your own settings ({racer.config}) give wrong outputs: {wrong.message}.")
        session.race.enter(racer)
    return list(racers.values()), aliases, unproven


def _beyond_tolerance(session: Session, racers: list[Racer]) -> tuple[str, ...]:
    """Return a warning for each baseline whose outputs are beyond the person's absolute bound."""
    found = [(racer.config, session.bench.wrong_output(racer.config, racer.observed)) for racer in racers]
    return tuple(f"{config}: {failure.message}" for config, failure in found if failure is not None)


def _opening_rounds(session: Session) -> int:
    return max(session.race.rounds_to_judge, session.race.blocks.rounds(OPENING_ROUNDS))


def _rank(session: Session, racer: Racer) -> tuple[bool, float]:
    return session.keeps_constraints(racer), session.race.standing(racer).log_gain


def _fail(session: Session, racers: list[Racer]) -> None:
    for racer in racers:
        assert racer.failure is not None
        session.fail(racer.trial, racer.config, racer.failure)


def _first_failure(outcomes: list[Outcome]) -> str:
    failures = [outcome for outcome in outcomes if isinstance(outcome, ArmFailure)]
    return str(failures[0]) if failures else str(Status.CRASHED)
