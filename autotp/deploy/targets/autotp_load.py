"""Deploying with `autotp.load`: everything that was measured, in Python."""

from autotp.deploy.targets.target import Target, beyond_properties
from autotp.deploy.tuned import Profile, Tuned
from autotp.runtime import Attention


class AutotpLoad(Target):
    """`autotp.load`, which sets masks and splits graphs, too; paged attention is GenAI's alone."""

    name = "load"
    order = 1

    def reason_not(self, tuned: Tuned, profile: Profile) -> str | None:
        """Refuse what was tuned with paged attention."""
        if tuned.workload.attention_backend is Attention.PA:
            return "it was tuned with paged attention, which OpenVINO GenAI deploys"
        return None

    def instructions(self, tuned: Tuned, profile: Profile) -> str:
        """Return the call, and where it does more than set properties, what."""
        call, count = 'autotp.load("tuned.yaml")', len(profile.affinity or ())
        if count > 1:
            call = f'{count} processes, each autotp.load("tuned.yaml", instance=I) with I from 0'
        beyond = beyond_properties(profile)
        return f"{call}, which {beyond}; the properties below alone do not" if beyond else call


TARGET = AutotpLoad()
