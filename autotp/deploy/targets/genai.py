"""Deploying with OpenVINO GenAI's LLMPipeline: language models, with state (SDPA) or paged attention (PA)."""

from autotp.deploy.targets.target import Target, beyond_properties
from autotp.deploy.tuned import Profile, Tuned
from autotp.runtime import Attention
from autotp.space import Config


class GenAI(Target):
    """LLMPipeline with the properties; with paged attention, which nothing else deploys, masks are set by hand."""

    name = "genai"
    order = 2

    def reason_not(self, tuned: Tuned, profile: Profile) -> str | None:
        """Refuse other models than language models, and what `autotp.load` does better."""
        backend = tuned.workload.attention_backend
        if backend is None:
            return "LLMPipeline is for language models"
        if backend is Attention.SDPA and beyond_properties(profile):
            return "the config is more than its properties"
        return None

    def instructions(self, tuned: Tuned, profile: Profile) -> str:
        """Return what to give LLMPipeline, and what to bind or split before."""
        graph = " and what `autotp split` writes" if Config.of(profile.config).graph_split else ""
        backend = tuned.workload.attention_backend
        pipeline = f"OpenVINO GenAI's LLMPipeline and ATTENTION_BACKEND={backend}"
        return f"the properties below{graph} with {pipeline}{_bound(profile.affinity)}"


def _bound(affinity: tuple[str, ...] | None) -> str:
    """Return which CPUs the processes are to be bound to."""
    if not affinity:
        return ""
    if len(affinity) > 1:
        return f", in {len(affinity)} processes, each bound to the CPUs of its line of `affinity`"
    return f", in a process bound to CPUs {affinity[0]}"


TARGET = GenAI()
