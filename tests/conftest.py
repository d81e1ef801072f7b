"""Settings and fixtures that every test shares."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from autotp.measuring.lock import VARIABLE
from autotp.measuring.parent.pool import Workers
from autotp.space.limits.precision import default_precision
from autotp.topology.probe import probe

settings.register_profile("autotp", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("autotp")

# A shell starts what it runs in the background with Ctrl-C ignored, and nohup with hangups ignored. So would the
# commands be that tests stop.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which CPU the run was on, and in which precision OpenVINO computes there."""
    here = probe()
    model, precision = here.fingerprint.soft["cpu_model"], default_precision(here.machine)
    terminalreporter.write_line(
        f"on {len(here.envelope.cpus)} CPUs of {model}, whose own precision is {precision}"
    )


@pytest.fixture(scope="session", autouse=True)
def lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A machine-wide lock of these tests' own: they wait for nobody, and nobody waits for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("lock") / "lock"))
        yield


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Where a test's workers come from; all are gone when it ends."""
    with Workers() as made:
        yield made
