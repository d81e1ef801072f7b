"""Deploying with OpenVINO's own compile_model: any program that can pass the properties."""

from autotp.deploy.targets.target import Target, beyond_properties
from autotp.deploy.tuned import Profile, Tuned


class CompileModel(Target):
    """`compile_model` with the properties, where they are all of the config."""

    name = "compile_model"
    order = 3

    def reason_not(self, tuned: Tuned, profile: Profile) -> str | None:
        """Refuse language models, and what properties alone don't do."""
        if tuned.workload.attention_backend is not None:
            return "a language model is deployed by what generates with it"
        return "the config is more than its properties" if beyond_properties(profile) else None

    def instructions(self, tuned: Tuned, profile: Profile) -> str:
        """Return that the properties are all there is."""
        return "the properties below with compile_model"


TARGET = CompileModel()
