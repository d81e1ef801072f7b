"""The verdict on two arms: what their measurements prove."""

from enum import StrEnum


class Ruling(StrEnum):
    """One arm against another: WIN is faster, TIE as fast within the noise, LOSE slower, UNKNOWN undecided."""

    WIN = "win"
    TIE = "tie"
    LOSE = "lose"
    UNKNOWN = "unknown"
