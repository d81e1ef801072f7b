"""The three lines that open a tuned.yaml: what was found, on what evidence, how to deploy it.

They are a function of the file's content, so that a program that reads the file knows all that they say.
"""

from collections.abc import Sequence

from autotp.deploy.targets import ways_to_deploy
from autotp.deploy.tuned import ParetoPoint, Profile, Result, Tuned
from autotp.findings import METRICS, Interval, Metric, Proof, ProofState
from autotp.space import Config


def headline(tuned: Tuned, profile: Profile | None = None) -> str:
    """Return the three lines about `profile`, a profile of `tuned`: by default the first."""
    profile = profile or tuned.profiles[0]
    deploy = f"Deploy: {ways_to_deploy(tuned, profile)}."
    if tuned.study.kept:
        found = "This is what an earlier call proved; the last one couldn't tell."
        return f"{found}\nWhy: {tuned.study.kept}.\n{deploy}"
    found, why = _verdict(tuned, profile.result)
    more = _others(profile.result.others or {}) + _split_warning(profile.proof)
    more += _trade(profile.pareto, tuned.objective.metrics) + _left_out(profile.result.left_out or ())
    return f"{found}\n{why}{more}\n{deploy}"


def proof_words(proof: Proof) -> str:
    """Return one line about a split; what doesn't do what its name says stands out."""
    if proof.state is ProofState.ACTIVE:
        threads = f"{proof.threads} threads with the policy, {proof.threads_without} without"
        return f"tensor parallelism is active: {proof.sub_streams} sub-stream(s), {threads}"
    threads = f"{proof.threads} threads with it, {proof.threads_without} without"
    if proof.state is ProofState.CAPPED:
        made = f"{proof.sub_streams} sub-stream(s), not all cores of all sockets ({threads})"
        return f"tensor parallelism is CAPPED: {made}"
    return f"tensor parallelism is INERT: the policy is set but did nothing ({threads})"


def _verdict(tuned: Tuned, result: Result) -> tuple[str, str]:
    """Return what was found, and the evidence for it."""
    gain, metric = result.gain, tuned.objective.metrics[0]
    baseline, ships, is_ = "OpenVINO's best hint", "the hint ships", "is"
    if result.baseline.own:
        baseline, ships, is_ = "your own settings", "they ship", "are"
    interval = f"95 % interval {gain.low:.4g} to {gain.high:.4g}, fresh processes, outputs checked"
    times = f"{gain.median:.4g} times as fast in {metric} as {baseline} ({Config.of(result.baseline.config)})"
    if result.verdict == "win" and gain.low > 1.0:
        return f"{times}.", f"Proven: {interval}."
    if result.verdict == "win":
        kept = ", ".join(tuned.objective.constraints)
        found = f"The fastest that keeps {kept}, which {baseline} {is_} proven to break."
        return found, f"It is {times}: {interval}."
    if result.verdict == "tie":
        floor = "any size" if result.noise_floor is None else f"{(result.noise_floor - 1) * 100:.2g} %"
        found = f"Nothing was proven faster in {metric} than {baseline}, so {ships}."
        return found, f"Gains below {floor} could not have been proven here."
    found = f"Can't tell whether anything is faster in {metric} than {baseline}, so {ships}."
    return found, f"Why: {result.reason or 'the file does not say'}."


def _others(gains: dict[str, Interval]) -> str:
    """Return what is proven of metrics that nobody asked for."""
    words = ""
    for metric, gain in gains.items():
        if gain.high < 1.0:
            interval = f"{1 / gain.high:.3g} to {1 / gain.low:.3g}"
            words += f" But {metric} is {1 / gain.median:.3g} times worse ({interval})."
        elif gain.low > 1.0:
            words += f" And {metric} is {gain.median:.3g} times better ({gain.low:.3g} to {gain.high:.3g})."
    return words


def _split_warning(proof: Proof | None) -> str:
    """Return what must not be missed of a policy that ships and doesn't do what its name says."""
    return "" if proof is None or proof.state is ProofState.ACTIVE else f" But {proof_words(proof)}."


def _trade(front: Sequence[ParetoPoint], metrics: Sequence[str]) -> str:
    """Return what each end of the Pareto front costs in the other objectives, where that is proven."""
    sentences = []
    for metric in [METRICS[name] for name in metrics if name in METRICS] if front else ():
        end = min(front, key=lambda point: _loss(point, metric))
        proven = {other: cost for other, cost in end.costs.items() if cost.low > 1.0}
        if proven:
            worse = " and ".join(f"{cost.median:.3g} times worse in {other}" for other, cost in proven.items())
            sentences.append(f" The best in {metric} ({Config.of(end.config)}) is {worse} than the best in that.")
    return "".join(sentences)


def _loss(point: ParetoPoint, metric: Metric) -> float:
    value = point.metrics[metric.key]
    return -value if metric.maximize else value


def _left_out(metrics: Sequence[str]) -> str:
    """Return what isn't known of several objectives."""
    return f" What the search found best in {' and '.join(metrics)} didn't fit into the finals." if metrics else ""
