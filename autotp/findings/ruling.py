"""What the measurements of two arms prove."""

from enum import StrEnum


class Ruling(StrEnum):
    """What is known of one arm against another: faster, as fast as can be told, slower, or can't tell."""

    WIN = "win"
    TIE = "tie"
    LOSE = "lose"
    UNKNOWN = "unknown"
