"""The comment at the top of a tuned.yaml, in three lines: the result, the evidence, how to deploy it.

It is computed from the file's content alone, so that programs can read everything that it says.
"""

from collections.abc import Sequence

from autotp.deploy.targets.registry import ways_to_deploy
from autotp.deploy.tuned import ParetoPoint, Profile, Result, Tuned, TunedOutputs
from autotp.findings.interval import Interval
from autotp.findings.metric import METRICS, Metric
from autotp.findings.proof import Proof, ProofState
from autotp.findings.ruling import Ruling
from autotp.space.knobs.config import Config

MOST_NAMED = 2  # outputs that weren't checked


def headline(tuned: Tuned, profile: Profile | None = None) -> str:
    """Return the three lines about `profile`, by default the first profile of `tuned`.

    Whatever names and messages hold, each of the lines is one.
    """
    return "\n".join(" ".join(line.split()) for line in _lines(tuned, profile or tuned.profiles[0]))


def _lines(tuned: Tuned, profile: Profile) -> tuple[str, str, str]:
    deploy = f"Deploy: {ways_to_deploy(tuned, profile)}."
    if tuned.study.kept:
        found = "This is what an earlier call proved; the last one was inconclusive."
        return found, f"Why: {tuned.study.kept}.", deploy
    found, why = _verdict(tuned, profile.result)
    why += _unmeasured(profile.result)
    more = _other_gains(profile.result.others or {}) + _split_warning(profile.proof)
    more += _pareto_costs(profile.pareto, tuned.objective.metrics) + _left_out(profile.result.left_out or ())
    return found, f"{why}{more}", deploy


def proof_words(proof: Proof) -> str:
    """Return one line about the proof of a split, with CAPPED and INERT in capitals."""
    if proof.state is ProofState.ACTIVE:
        threads = f"{proof.threads} threads with the policy, {proof.threads_without} without"
        return f"tensor parallelism is active: {proof.sub_streams} sub-stream(s), {threads}"
    threads = f"{proof.threads} threads with it, {proof.threads_without} without"
    if proof.state is ProofState.CAPPED:
        made = f"{proof.sub_streams} sub-stream(s), not all cores of all sockets ({threads})"
        return f"tensor parallelism is CAPPED: {made}"
    return f"tensor parallelism is INERT: the policy is set but did nothing ({threads})"


def cannot_tell(tuned: Tuned, result: Result) -> str:
    """Return that `result` (one of `tuned`) is inconclusive, without a full stop."""
    return f"Can't tell whether anything is faster in {tuned.objective.metrics[0]} than {_baseline(result)}"


def _baseline(result: Result) -> str:
    """Return what the gain is relative to."""
    if result.baseline.own:
        return "your own settings"
    return "the best of OpenVINO's hints that could be measured" if result.unmeasured else "OpenVINO's best hint"


def _verdict(tuned: Tuned, result: Result) -> tuple[str, str]:
    """Return the result and the evidence for it, a line each."""
    gain, metric = result.gain, tuned.objective.metrics[0]
    baseline = _baseline(result)
    ships, is_ = ("they ship", "are") if result.baseline.own else ("the hint ships", "is")
    checked = outputs_words(result.outputs)
    interval = f"95 % interval {gain.low:.4g} to {gain.high:.4g}, fresh processes, {checked}"
    times = f"{gain.median:.4g} times as fast in {metric} as {baseline} ({Config.of(result.baseline.config)})"
    if result.verdict is Ruling.WIN and gain.low > 1.0:
        return f"{times}.", f"Proven: {interval}."
    if result.verdict is Ruling.WIN:
        kept = ", ".join(tuned.objective.constraints)
        found = f"The fastest that keeps {kept}, which {baseline} {is_} proven to break."
        return found, f"It is {times}: {interval}."
    if result.verdict is Ruling.TIE:
        bounded = f" that keeps {', '.join(tuned.objective.constraints)}" if tuned.objective.constraints else ""
        found = f"Nothing{bounded} was proven faster in {metric} than {baseline}, so {ships}."
        if result.noise_floor is None:
            return found, "The noise is unknown, so no gain could have been proven here."
        why = f"Gains below {(result.noise_floor - 1) * 100:.2g} % could not have been proven here."
        return found, f"{why} {result.reason}." if result.reason else why
    return f"{cannot_tell(tuned, result)}, so {ships}.", f"Why: {result.reason or 'the file does not say'}."


def outputs_words(outputs: TunedOutputs | None) -> str:
    """Return whether outputs were checked, and which ones not and why."""
    if outputs is None or not outputs.unchecked:
        return "outputs checked"
    named = [f"{name} {why}" for name, why in outputs.unchecked.items()]
    shown, more = named[:MOST_NAMED], len(named) - MOST_NAMED
    missing = " and ".join(shown) + (f", and {more} more" if more > 0 else "")
    return f"outputs checked except that {missing}" if outputs.checked else f"outputs not checked ({missing})"


def _unmeasured(result: Result) -> str:
    """Return which hints weren't measured and, unless the evidence says so, which outputs weren't checked."""
    words = ""
    if result.verdict is not Ruling.WIN and result.outputs is not None and result.outputs.unchecked:
        words += f" {outputs_words(result.outputs).capitalize()}."
    for hint in result.unmeasured or ():
        words += f" Not measured: {Config.of(hint.config)} ({hint.reason.rstrip('.')})."
    return words


def _other_gains(gains: dict[str, Interval]) -> str:
    """Return the proven gains and losses in metrics that are no objectives."""
    words = ""
    for metric, gain in gains.items():
        if gain.high < 1.0:
            interval = f"{1 / gain.high:.3g} to {1 / gain.low:.3g}"
            words += f" But {metric} is {1 / gain.median:.3g} times worse ({interval})."
        elif gain.low > 1.0:
            words += f" And {metric} is {gain.median:.3g} times better ({gain.low:.3g} to {gain.high:.3g})."
    return words


def _split_warning(proof: Proof | None) -> str:
    """Return a warning if the tuned config sets the policy but its proof isn't active."""
    return "" if proof is None or proof.state is ProofState.ACTIVE else f" But {proof_words(proof)}."


def _pareto_costs(front: Sequence[ParetoPoint], metrics: Sequence[str]) -> str:
    """Return what the best config in each objective costs in the other objectives, where proven."""
    sentences = []
    for metric in [METRICS[name] for name in metrics if name in METRICS]:
        end = _best_in(metric, front)
        proven = {other: cost for other, cost in end.costs.items() if cost.low > 1.0} if end else {}
        if end and proven:
            worse = " and ".join(f"{cost.median:.3g} times worse in {other}" for other, cost in proven.items())
            sentences.append(f" The best in {metric} ({Config.of(end.config)}) is {worse} than the best in that.")
    sentences += [f" Between them lies {Config.of(point.config)}." for point in front if point.knee is True]
    return "".join(sentences)


def _best_in(metric: Metric, front: Sequence[ParetoPoint]) -> ParetoPoint | None:
    """Return the point of `front` that is best in `metric`; None if no point has it."""
    having = [point for point in front if metric.key in point.metrics]
    return min(having, key=lambda point: metric.loss(point.metrics), default=None)


def _left_out(metrics: Sequence[str]) -> str:
    """Return which objectives' best candidates weren't in the finals."""
    return f" What the search found best in {' and '.join(metrics)} didn't fit into the finals." if metrics else ""
