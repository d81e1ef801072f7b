"""Target: `autotp.load` in Python, which applies everything that was measured."""

from autotp.deploy.targets.target import Target, beyond_properties
from autotp.deploy.tuned import Profile, Tuned
from autotp.runtime.models.language import Attention


class AutotpLoad(Target):
    """`autotp.load` sets masks and splits graphs, too, but can't run paged attention."""

    name = "load"
    order = 1

    def why_not(self, tuned: Tuned, profile: Profile) -> str | None:
        """Refuse what was tuned with paged attention."""
        if tuned.workload.attention_backend is Attention.PA:
            return "it was tuned with paged attention, which OpenVINO GenAI deploys"
        return None

    def instructions(self, tuned: Tuned, profile: Profile) -> str:
        """Say how to call it, and what it does besides setting properties."""
        call, count = 'autotp.load("tuned.yaml")', len(profile.affinity or ())
        if count > 1:
            call = f'{count} processes, each autotp.load("tuned.yaml", instance=I) with I from 0'
        beyond = beyond_properties(profile)
        return f"{call}, which {beyond}; the properties below alone do not" if beyond else call


TARGET = AutotpLoad()
