"""The three lines that open tuned.yaml: what was found, on what evidence, how to deploy it."""

from collections.abc import Sequence

from autotp.deploy.tuned import Tuned
from autotp.findings import Metric, ProofState, Ruling
from autotp.measuring.observed import Observed
from autotp.measuring.verdict import Verdict
from autotp.runtime import Attention
from autotp.space import Config
from autotp.tuning.request import TuneRequest
from autotp.tuning.result.pareto import trade
from autotp.tuning.result.tuned_content import Evidence, Shipped, affinity_of

GENAI = "OpenVINO GenAI's LLMPipeline and ATTENTION_BACKEND="


def say(request: TuneRequest, evidence: Evidence) -> str:
    """Return the three lines that open the file: what was found, on what evidence, how to use it."""
    gain, metric = evidence.shipped.gain, request.objective
    own = evidence.baseline.config == request.baseline
    baseline, ships, is_ = ("OpenVINO's best hint", "the hint ships", "is")
    if own:
        baseline, ships, is_ = ("your own settings", "they ship", "are")
    interval = f"95 % interval {gain.low:.4g} to {gain.high:.4g}, fresh processes, outputs checked"
    times = f"{gain.median:.4g} times as fast in {metric} as {baseline} ({evidence.baseline.config})"
    if evidence.verdict.ruling is Ruling.WIN and gain.low > 1.0:
        found, why = f"{times}.", f"Proven: {interval}."
    elif evidence.verdict.ruling is Ruling.WIN:
        kept = ", ".join(constraint.text for constraint in request.constraints)
        found = f"The fastest that keeps {kept}, which {baseline} {is_} proven to break."
        why = f"It is {times}: {interval}."
    elif evidence.verdict.ruling is Ruling.TIE:
        found = f"Nothing was proven faster in {metric} than {baseline}, so {ships}."
        why = f"Gains below {_floor(evidence)} could not have been proven here."
    else:
        found = f"Can't tell whether anything is faster in {metric} than {baseline}, so {ships}."
        why = f"Why: {evidence.verdict.reason}."
    shipped = evidence.shipped
    front = trade(evidence.points, request.objectives) if evidence.points else ""
    told = f"{why}{_others(shipped)}{_split_warning(shipped.observed)}{front}{_left_out(evidence.left_out)}"
    backend = request.workload.facts().get("attention_backend")
    deploy = _deploy(shipped.config, affinity_of(shipped.observed), backend)
    return f"{found}\n{told}\n{deploy}"


def say_earlier(verdict: Verdict, kept: Tuned) -> str:
    """Return the three lines for a file that keeps an earlier call's result."""
    found, why = "This is what an earlier call proved; the last one couldn't tell.", f"Why: {verdict.reason}."
    profile = kept.profiles[0]
    config, backend = Config.of(profile.config), kept.workload.attention_backend
    return f"{found}\n{why}\n{_deploy(config, profile.affinity, backend)}"


def _deploy(config: Config, affinity: tuple[str, ...] | None, backend: Attention | None) -> str:
    """Return how to apply what ships, and with what else than autotp where its properties are all of it."""
    if backend is Attention.PA:
        return f"Deploy: {_pipeline(config, affinity)}."
    load, done = 'autotp.load("tuned.yaml")', []
    if affinity and len(affinity) > 1:
        load = f'{len(affinity)} processes, each autotp.load("tuned.yaml", instance=I) with I from 0'
        done.append("binds each to its own CPUs")
    elif affinity:
        done.append(f"binds the process to CPUs {affinity[0]}")
    if config.graph_split:
        done.append("splits the graph")
    if done:
        return f"Deploy: {load}, which {' and '.join(done)}; the properties below alone do not."
    other = f"{GENAI}SDPA" if backend else "compile_model"
    return f"Deploy: {load}, or the properties below with {other}."


def _pipeline(config: Config, affinity: tuple[str, ...] | None) -> str:
    """Return how OpenVINO GenAI applies what ships with paged attention."""
    bound = f", in a process bound to CPUs {affinity[0]}" if affinity else ""
    if affinity and len(affinity) > 1:
        bound = f", in {len(affinity)} processes, each bound to the CPUs of its line of `affinity`"
    graph = " and what `autotp split` writes" if config.graph_split else ""
    return f"the properties below{graph} with {GENAI}PA{bound}"


def _others(shipped: Shipped) -> str:
    """Return what is proven of the objectives that weren't asked for, in words."""
    told = ""
    for metric, gain in shipped.others.items():
        if gain.high < 1.0:
            interval = f"{1 / gain.high:.3g} to {1 / gain.low:.3g}"
            told += f" But {metric} is {1 / gain.median:.3g} times worse ({interval})."
        elif gain.low > 1.0:
            told += f" And {metric} is {gain.median:.3g} times better ({gain.low:.3g} to {gain.high:.3g})."
    return told


def _split_warning(shipped: Observed | None) -> str:
    """Return what must not be missed of a policy that ships and doesn't do what its name says."""
    if shipped is None or shipped.proof is None or shipped.proof.state is ProofState.ACTIVE:
        return ""
    return f" But {shipped.proof.words}."


def _left_out(metrics: Sequence[Metric]) -> str:
    """Return what isn't known of several objectives."""
    if not metrics:
        return ""
    return f" What the search found best in {' and '.join(map(str, metrics))} didn't fit into the finals."


def _floor(evidence: Evidence) -> str:
    return "any size" if evidence.noise_floor is None else f"{(evidence.noise_floor - 1) * 100:.2g} %"
