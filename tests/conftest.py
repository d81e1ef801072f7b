"""Settings that every test shares."""

from hypothesis import HealthCheck, settings

settings.register_profile("autotp", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("autotp")
