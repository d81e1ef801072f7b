"""Search: proposer, race, finals, verdict, and the study that keeps it all."""

from autotp.search.api import tune
from autotp.search.events import (
    ArmEnded,
    Baselined,
    Began,
    Event,
    FinalsBegan,
    FinalsEnded,
    Gauged,
    Listener,
    PlayOffBegan,
    Ruled,
    Waiting,
    Weathered,
)
from autotp.search.storage import check_storage, public_url

__all__ = [
    "ArmEnded",
    "Baselined",
    "Began",
    "Event",
    "FinalsBegan",
    "FinalsEnded",
    "Gauged",
    "Listener",
    "PlayOffBegan",
    "Ruled",
    "Waiting",
    "Weathered",
    "check_storage",
    "public_url",
    "tune",
]
