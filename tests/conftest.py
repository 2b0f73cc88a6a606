"""What all tests share: threads that are threads."""

from unittest import mock

# Imported, pyinfra's command line hands this process's threads to gevent, which a deploy is made
# for and the processes that pytest-xdist spreads the tests over are not.
with mock.patch("gevent.monkey.patch_all"):
    import pyinfra_cli  # noqa: F401
