"""The health advice on a recording of two sockets."""

from pathlib import Path

from autotp.topology.health.advice import Advice
from autotp.topology.health.health import health
from tests.support.cpu_tables import files, two_sockets
from tests.support.recorded_files import write


def advice(root: Path, facts: dict[str, str]) -> dict[str, Advice]:
    """The advice by its word for two sockets of two cores of two threads with these files besides."""
    return {item.id: item for item in health(write(root, files(two_sockets()) | facts))}
