"""A target: one way to run what was tuned in production; each is a module of this folder, found by being there."""

from abc import ABC, abstractmethod
from typing import ClassVar

from autotp.deploy.tuned import Profile, Tuned
from autotp.space import Config


class Target(ABC):
    """One way to run a profile of a tuned.yaml.

    Attributes:
        name: a short name.
        order: its place among the targets: the smallest is the one to recommend.
    """

    name: ClassVar[str]
    order: ClassVar[int]

    @abstractmethod
    def reason_not(self, tuned: Tuned, profile: Profile) -> str | None:
        """Return why `profile`, a profile of `tuned`, can't be deployed this way; None where it can."""

    @abstractmethod
    def instructions(self, tuned: Tuned, profile: Profile) -> str:
        """Return in words what to do to deploy `profile`, as the head of the file says it: no full stop."""


def beyond_properties(profile: Profile) -> str | None:
    """Return what deploying `profile` takes besides OpenVINO's properties, as "it ..."; None where that is all."""
    done = []
    if profile.affinity and len(profile.affinity) > 1:
        done.append("binds each to its own CPUs")
    elif profile.affinity:
        done.append(f"binds the process to CPUs {profile.affinity[0]}")
    if Config.of(profile.config).graph_split:
        done.append("splits the graph")
    return " and ".join(done) or None
