"""Setup of all tests: threads that are threads, and no example that has to be quick."""

from unittest import mock

from hypothesis import HealthCheck, settings

# Imported, pyinfra's command line hands this process's threads to gevent, which a deploy is made
# for and the processes that pytest-xdist spreads the tests over are not.
with mock.patch("gevent.monkey.patch_all"):
    import pyinfra_cli  # noqa: F401

# A busy machine is slow, and that is no failure of what is tested.
settings.register_profile(
    "chom",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("chom")
