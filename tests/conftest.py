"""Settings and fixtures that every test shares."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from autotp.measure import Workers

settings.register_profile("autotp", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("autotp")


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Where a test's workers come from; all are gone when it ends."""
    with Workers() as made:
        yield made
