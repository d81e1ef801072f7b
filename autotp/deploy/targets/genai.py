"""Target: OpenVINO GenAI's LLMPipeline, for language models with state (SDPA) or paged attention (PA)."""

from autotp.deploy.targets.target import Target, beyond_properties
from autotp.deploy.tuned import Profile, Tuned
from autotp.runtime.models.language import Attention
from autotp.space.knobs.config import Config


class GenAI(Target):
    """LLMPipeline with the properties; the only target for paged attention, where the user sets CPU masks."""

    name = "genai"
    order = 2

    def why_not(self, tuned: Tuned, profile: Profile) -> str | None:
        """Refuse models that aren't language models, and what `autotp.load` does better."""
        backend = tuned.workload.attention_backend
        if backend is None:
            return "LLMPipeline is for language models"
        if backend is Attention.SDPA and beyond_properties(profile):
            return "the config needs more than properties"
        return None

    def instructions(self, tuned: Tuned, profile: Profile) -> str:
        """Say what to pass to LLMPipeline, and what to bind or split before."""
        graph = " and what `autotp split` writes" if Config.of(profile.config).graph_split else ""
        backend = tuned.workload.attention_backend
        pipeline = f"OpenVINO GenAI's LLMPipeline and ATTENTION_BACKEND={backend}"
        return f"the properties below{graph} with {pipeline}{_bound(profile.affinity)}"


def _bound(affinity: tuple[str, ...] | None) -> str:
    """Say which CPUs to bind the processes to."""
    if not affinity:
        return ""
    if len(affinity) > 1:
        return f", in {len(affinity)} processes, each bound to the CPUs of its line of `affinity`"
    return f", in a process bound to CPUs {affinity[0]}"


TARGET = GenAI()
