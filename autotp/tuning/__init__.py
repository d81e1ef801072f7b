"""Search: proposer, race, finals, verdict, and the study that keeps it all."""

from autotp.tuning.api import tune
from autotp.tuning.events import (
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
from autotp.tuning.study.storage_url import check_storage, public_url

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
