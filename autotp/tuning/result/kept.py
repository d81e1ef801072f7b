"""The proven result that a tuned.yaml holds already: it stays until there is a new WIN or TIE."""

from pathlib import Path

from autotp.deploy.tuned import Tuned, read_tuned
from autotp.errors import TunedError
from autotp.findings.ruling import Ruling


def proven_in(path: Path) -> Tuned | None:
    """Return the content of the tuned.yaml at `path` if it holds a WIN or TIE; else None."""
    try:
        tuned = read_tuned(path)
    except TunedError:
        return None
    proven = any(profile.result.verdict is not Ruling.UNKNOWN for profile in tuned.profiles)
    return tuned if proven else None
