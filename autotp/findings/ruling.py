"""The ruling: in one word, what measurements prove of one arm against another."""

from enum import StrEnum


class Ruling(StrEnum):
    """WIN: the arm is faster; TIE: as fast within the noise; LOSE: slower; UNKNOWN: too little was measured."""

    WIN = "win"
    TIE = "tie"
    LOSE = "lose"
    UNKNOWN = "unknown"
