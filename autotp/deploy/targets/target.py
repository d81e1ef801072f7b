"""The interface of a target: one way to deploy a tuned config. Each target is a module of this folder."""

from abc import ABC, abstractmethod
from typing import ClassVar

from autotp.deploy.tuned import Profile, Tuned
from autotp.space.knobs.config import Config


class Target(ABC):
    """One way to run a profile of a tuned.yaml.

    Attributes:
        name: a short name.
        order: its rank among the targets; the smallest is recommended first.
    """

    name: ClassVar[str]
    order: ClassVar[int]

    @abstractmethod
    def why_not(self, tuned: Tuned, profile: Profile) -> str | None:
        """Return why `profile` (one of `tuned`) can't be deployed this way, None if it can."""

    @abstractmethod
    def instructions(self, tuned: Tuned, profile: Profile) -> str:
        """Return how to deploy `profile`, for the comment at the top of the file: a phrase without a full stop."""


def beyond_properties(profile: Profile) -> str | None:
    """Return what deploying `profile` takes besides properties, such as "splits the graph"; None if nothing."""
    done = []
    if profile.affinity and len(profile.affinity) > 1:
        done.append("binds each to its own CPUs")
    elif profile.affinity:
        done.append(f"binds the process to CPUs {profile.affinity[0]}")
    if Config.of(profile.config).graph_split:
        done.append("splits the graph")
    return " and ".join(done) or None
