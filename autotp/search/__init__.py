"""Search: proposer, race, finals, verdict, and the study that keeps it all."""

from autotp.search.constraints import Constraint, parse_constraint
from autotp.search.events import ArmEnded, Baselined, Began, Event, FinalsBegan, FinalsEnded, Listener, Ruled
from autotp.search.request import TuneRequest, build_request
from autotp.search.tuner import tune

__all__ = [
    "ArmEnded",
    "Baselined",
    "Began",
    "Constraint",
    "Event",
    "FinalsBegan",
    "FinalsEnded",
    "Listener",
    "Ruled",
    "TuneRequest",
    "build_request",
    "parse_constraint",
    "tune",
]
