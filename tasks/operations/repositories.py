"""The keys of vendors' repositories: checked here, before a host trusts them."""

from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError

from facts.keys import KeyFile, OfferedKey
from tasks.operations.commands import Commands
from tasks.operations.files import replace_script
from tasks.operations.originals import Anothers, never
from tasks.repositories import armour, distrust


@operation()
def trust_key(path: str, url: str, fingerprints: Sequence[str], keep: Anothers = never) -> Commands:
    """Have the key of ``url`` at ``path``, if it has one of the ``fingerprints``.

    A key that is there and is still good stays. ``keep``: the one that stood there is kept. Raises
    OperationError with what was expected and what came.
    """
    if not distrust(host.get_fact(KeyFile, path=path), fingerprints):
        return
    offered = host.get_fact(OfferedKey, url=url)
    if not offered:
        raise OperationError(f"nothing came from {url}: is it reachable from this host?")
    if reason := distrust(offered, fingerprints):
        raise OperationError(f"{url}: {reason}; nothing is trusted, nothing was installed")
    script = replace_script(path, "644", "root", "root", None, keep=keep())
    yield StringCommand(script, _stdin=armour(offered))
