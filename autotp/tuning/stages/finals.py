"""The last stage, the finals: the best candidates and the baselines are measured in fresh processes and judged."""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean

import msgspec

from autotp.findings.metric import METRICS, Metric
from autotp.findings.ruling import Ruling
from autotp.measuring.rounds.waves import AA, GRACE, Waves, WaveSchedule, plan_waves
from autotp.measuring.verdict import Candidate, Measured, Verdict, judge, longer
from autotp.tuning.deadlines import rounds_wanted, shortest_budget_s
from autotp.tuning.events import FinalsBegan, FinalsEnded
from autotp.tuning.race.race import BEHIND_CONFIDENCE, best_in, may_be_best
from autotp.tuning.race.racer import Baselines, Racer
from autotp.tuning.result.pareto import Point, front_of, knee_of
from autotp.tuning.session import Session
from autotp.tuning.stages.bounds import Bounds
from autotp.tuning.study.study import Role

MAX_FINALISTS = 2
COMPILE = METRICS["compile"]


class FinalsResult(msgspec.Struct, frozen=True):
    """What the finals found.

    Attributes:
        verdict: with the winner if there is one.
        finals: the measurements of each arm.
        finalists: the candidates that were measured.
        noise_floor: the smallest gain that could be proven; None with fewer than two processes.
        fallback: the baseline that is selected if nothing wins.
        left_out: objectives whose best candidate didn't fit into the finals.
        proven: for each candidate the objectives in which it would be a WIN.
    """

    verdict: Verdict
    finals: Waves
    finalists: tuple[Racer, ...]
    noise_floor: float | None
    fallback: Racer
    left_out: tuple[Metric, ...] = ()
    proven: Mapping[str, tuple[Metric, ...]] = {}


def run_finals(session: Session, survivors: list[Racer], baselines: Baselines) -> FinalsResult:
    """Measure the best survivors and the baselines in fresh processes, and reach a verdict.

    Args:
        session: the tuning.
        survivors: candidates that the search didn't drop, all stopped.
        baselines: the arms that they have to beat, all stopped.
    """
    finalists, schedule = _choose_finalists(session, survivors, baselines)
    racers, best = [*baselines.all, *finalists], baselines.best.key
    arms = {racer.key: racer for racer in racers}
    session.emit(_began(finalists, baselines, schedule))
    trials = {key: session.study.begin(Role.FINAL, racer.config) for key, racer in arms.items()}
    finals, before_s = _waves(session, racers), session.budget.elapsed_s()
    finals.run(schedule, session.budget.at(1.0), session.budget.at(GRACE), session.study.heartbeat)
    best_in_others = _best_in_others(session, survivors)
    left_out = tuple(metric for metric, racer in best_in_others.items() if racer not in racers)
    measured = Measured(len(finals.waves), finals.fewest_samples, finals.shortest_budget_s(before_s))
    result = msgspec.structs.replace(_decide(session, finals, finalists, baselines, measured), left_out=left_out)
    for key, trial in trials.items():
        session.study.describe_observed(trial, arms[key].observed)
        if key in finals.failures:
            session.study.fail(trial, finals.failures[key])
        elif finals.waves:
            session.study.describe(trial, gain=finals.gain(key, best), processes=len(finals.waves))
            metrics = final_metrics(session.request.objectives, finals, key, best)
            session.study.complete(trial, metrics, finals.rows(key))
    return result


def skip_finals(session: Session, baselines: Baselines, reason: str) -> FinalsResult:
    """Return the result of a tuning that measured no candidate: UNKNOWN, for this `reason`."""
    verdict = Verdict(Ruling.UNKNOWN, reason=reason)
    return FinalsResult(verdict, _waves(session, baselines.all), (), None, baselines.best)


def final_metrics(objectives: Sequence[Metric], finals: Waves, key: str, baseline: str) -> dict[str, float]:
    """Return the metrics of arm `key` over all processes; for objectives, the baseline's value times the gain."""
    values = finals.metrics(key)
    if key != baseline and baseline not in finals.failures:
        reference = finals.metrics(baseline)
        for metric in objectives:
            gain = finals.gain(key, baseline, metric).median
            values[metric.key] = metric.improved(reference[metric.key], gain)
    return values


def _choose_finalists(
    session: Session, survivors: list[Racer], baselines: Baselines
) -> tuple[list[Racer], WaveSchedule]:
    """Choose as many of the best survivors as can be measured well in the time left; return also the schedule."""
    best_is_feasible, sound = session.is_feasible(baselines.best), baselines.all
    promising = [
        r for r in survivors if not (best_is_feasible and session.race.estimate(r).below(0.0, BEHIND_CONFIDENCE))
    ]
    room = session.bench.room - len(sound) - 1
    objectives = session.request.objectives
    most = max(MAX_FINALISTS, len(objectives) + (len(objectives) > 1))
    finalists = _in_order(session, survivors, session.feasible_or_all(promising))[: max(1, min(most, room))]
    while True:
        arms = len(sound) + len(finalists) + 1
        seconds = session.budget.at(1.0) - session.budget.now()
        block_s = session.race.seconds_a_block([*sound, *finalists])
        wanted = rounds_wanted(session.race, session.request.objective, [*sound, *finalists])
        schedule = plan_waves(seconds, arms, arms * session.bench.arm_start_s, block_s, wanted)
        if schedule.rounds >= wanted.enough or len(finalists) <= 1:
            return finalists, schedule
        finalists = finalists[:-1]


def _in_order(session: Session, survivors: list[Racer], promising: list[Racer]) -> list[Racer]:
    """Return candidates for the finals by priority: with several objectives, the best in each come first.

    The best in another objective needn't beat the baseline in the first: it shows what that other gain costs.
    After them comes what lies between them.
    """
    first = may_be_best(session.race, promising)
    between = _between(session, survivors)
    return list(dict.fromkeys((*first[:1], *_best_in_others(session, survivors).values(), *between, *first)))


def _between(session: Session, survivors: list[Racer]) -> list[Racer]:
    """Return the survivor at the knee of the front that the search found, if it has one."""
    objectives, keeping = session.request.objectives, session.feasible_or_all(survivors)
    if len(objectives) < 2:
        return []
    points = [Point(config=racer.config, metrics=session.race.metrics(racer)) for racer in keeping]
    knee = knee_of(front_of(points, objectives), objectives)
    return [racer for racer, point in zip(keeping, points, strict=True) if point is knee]


def _best_in_others(session: Session, survivors: list[Racer]) -> dict[Metric, Racer]:
    """Return the survivor with the best estimate in each objective after the first."""
    keeping = session.feasible_or_all(survivors)
    others = session.request.objectives[1:] if keeping else ()
    return {metric: best_in(session.race, keeping, metric) for metric in others}


def _waves(session: Session, racers: Sequence[Racer]) -> Waves:
    """Return the waves of `racers`, whose first must be the best baseline; nothing is run yet."""
    objective, seed = session.request.objective, session.request.seed
    makers = {racer.key: partial(session.bench.arm, racer.config, checked=False) for racer in racers}
    bounds_compile = any(constraint.metric is COMPILE for constraint in session.request.constraints)
    blocks, now = session.race.blocks, session.budget.now
    return Waves(makers, racers[0].key, objective, blocks, seed, now, one_by_one=bounds_compile)


def _decide(
    session: Session, finals: Waves, finalists: list[Racer], baselines: Baselines, measured: Measured
) -> FinalsResult:
    best = baselines.best.key
    if best in finals.failures or AA in finals.failures or not finals.waves:
        if failure := finals.failures.get(best) or finals.failures.get(AA):
            reason = f"the baseline failed in the finals: {failure}"
        else:
            shortest_s = shortest_budget_s(session, baselines.all)
            reason = f"the finals didn't fit into the budget: give {longer(shortest_s)}"
        verdict = Verdict(Ruling.UNKNOWN, reason=reason)
        return FinalsResult(verdict, finals, tuple(finalists), None, baselines.best)
    bounds = Bounds(session.request.constraints, finals)
    rivals = [racer for racer in baselines.all if racer.key not in finals.failures]
    keeping = [rival for rival in rivals if bounds.keeps(rival.key)]
    floor = finals.noise_floor if len(finals.waves) > 1 else None
    candidates = _candidates(finals, bounds, finalists, rivals)
    for candidate in candidates:
        session.emit(
            FinalsEnded(
                config=candidate.config.to_dict(),
                gain=candidate.gain(best),
                noise_floor=floor,
                processes=len(finals.waves),
            )
        )
    must_beat = [rival.key for rival in rivals if not bounds.surely_breaks(rival.key)]
    verdict = judge(
        candidates,
        best_baseline=best,
        must_beat=must_beat,
        baseline_keeps=bool(keeping),
        nearest=bounds.nearest([*rivals, *(r for r in finalists if r.key not in finals.failures)]),
        noise_floor=floor or float("inf"),
        metric=session.request.objective,
        measured=measured,
    )
    return FinalsResult(
        verdict,
        finals,
        tuple(finalists),
        floor,
        _fallback(finals, keeping or rivals, best),
        proven=_proven(session, finals, candidates, must_beat) if verdict.ruling is not Ruling.UNKNOWN else {},
    )


def _proven(
    session: Session, finals: Waves, candidates: Sequence[Candidate], must_beat: Sequence[str]
) -> dict[str, tuple[Metric, ...]]:
    """Return for each candidate that keeps the constraints the objectives in which it is proven to be faster."""

    def is_faster(candidate: Candidate, metric: Metric) -> bool:
        if finals.fewest_samples_of(metric) < metric.min_samples:
            return False
        gains = {baseline: finals.log_gains(candidate.key, baseline, metric) for baseline in must_beat}
        in_metric = msgspec.structs.replace(candidate, log_gains=gains)
        return in_metric.is_faster(must_beat, finals.noise_floor_in(metric), len(candidates))

    objectives, keeping = session.request.objectives, [one for one in candidates if one.feasible]
    return {one.key: tuple(metric for metric in objectives if is_faster(one, metric)) for one in keeping}


def _candidates(finals: Waves, bounds: Bounds, finalists: list[Racer], rivals: list[Racer]) -> list[Candidate]:
    return [
        Candidate(
            key=racer.key,
            config=racer.config,
            log_gains={rival.key: finals.log_gains(racer.key, rival.key) for rival in rivals},
            feasible=bounds.surely_keeps(racer.key),
        )
        for racer in finalists
        if racer.key not in finals.failures
    ]


def _fallback(finals: Waves, baselines: list[Racer], best: str) -> Racer:
    """Return the baseline `best` if it is one of `baselines`, else the one with the largest gain in the finals."""
    alike = [racer for racer in baselines if racer.key == best]
    return max(alike or baselines, key=lambda racer: fmean(finals.log_gains(racer.key, best)))


def _began(finalists: list[Racer], baselines: Baselines, schedule: WaveSchedule) -> FinalsBegan:
    return FinalsBegan(
        finalists=tuple(racer.config.to_dict() for racer in finalists),
        baselines=tuple(racer.config.to_dict() for racer in baselines.all),
        processes=schedule.processes,
        rounds=schedule.rounds,
    )
