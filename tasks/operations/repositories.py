"""The keys of vendors' repositories: checked here, before a host trusts them."""

from collections.abc import Callable, Sequence

from gevent import get_hub
from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError

from facts.keys import KeyFile, OfferedKey
from tasks.operations.commands import Commands
from tasks.operations.files import replace_script
from tasks.repositories import armour, distrust


@operation()
def trust_key(path: str, url: str, fingerprints: Sequence[str]) -> Commands:
    """Have the key of ``url`` at ``path``, if it has one of the ``fingerprints``.

    A key that is there and is still good stays. Raises OperationError with what was expected and
    what came.
    """
    if not _apart(distrust, host.get_fact(KeyFile, path=path), fingerprints):
        return
    offered = host.get_fact(OfferedKey, url=url)
    if not offered:
        raise OperationError(f"nothing came from {url}: is it reachable from this host?")
    if reason := _apart(distrust, offered, fingerprints):
        raise OperationError(f"{url}: {reason}; nothing is trusted, nothing was installed")
    text = _apart(armour, offered)
    yield StringCommand(replace_script(path, "644", "root", "root", None), _stdin=text)


def _apart(function: Callable[..., str], *arguments: object) -> str:
    """Call it in a thread: in a greenlet, whose stack is a moved one, Sequoia crashed Python."""
    answer: str = get_hub().threadpool.apply(function, arguments)
    return answer
