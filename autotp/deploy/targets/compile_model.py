"""Target: OpenVINO's own compile_model, for any program that can pass properties."""

from autotp.deploy.targets.target import Target, beyond_properties
from autotp.deploy.tuned import Profile, Tuned


class CompileModel(Target):
    """`compile_model` with the properties, if the config needs nothing else."""

    name = "compile_model"
    order = 3

    def why_not(self, tuned: Tuned, profile: Profile) -> str | None:
        """Refuse language models, and configs that need more than properties."""
        if tuned.workload.attention_backend is not None:
            return "compile_model alone doesn't generate tokens"
        return "the config needs more than properties" if beyond_properties(profile) else None

    def instructions(self, tuned: Tuned, profile: Profile) -> str:
        """Say to pass the properties."""
        return "the properties below with compile_model"


TARGET = CompileModel()
