"""Keys of vendors' repositories: checked on this computer before a host trusts them."""

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError

from facts.files import FileText
from facts.keys import KeyFile, OfferedKey
from tasks.operations.commands import Commands
from tasks.operations.files import replace_script
from tasks.operations.originals import Anothers, never
from tasks.repositories import Repository, distrust, is_trusted, trusted


@operation()
def trust_keys(repository: Repository, keep: Anothers = never) -> Commands:
    """Have the accepted certificates of the vendor's key file on the host, and no others.

    What is there stays while it is valid and the same fingerprints are accepted; others are looked
    for in the vendor's file.

    + repository: names the file, its URL and the accepted fingerprints
    + keep: whether to keep the file that stands there, as somebody else's

    Raises OperationError with what was expected and what came where no certificate can be trusted.
    """
    path, url, accepted = repository.key_path, repository.key_url, repository.fingerprints
    there = host.get_fact(KeyFile, path=path)
    source = host.get_fact(FileText, path=repository.source_path)
    content = trusted(there, accepted) if repository.accepted_keys in source else ""
    if content and is_trusted(there, accepted):
        return
    if not content:
        offered = host.get_fact(OfferedKey, url=url)
        if not offered:
            raise OperationError(f"nothing came from {url}: is it reachable from this host?")
        if reason := distrust(offered, accepted):
            raise OperationError(f"{url}: {reason}; nothing is trusted, nothing was installed")
        content = trusted(offered, accepted)
    script = replace_script(path, "644", "root", "root", None, keep=keep())
    yield StringCommand(script, _stdin=content)
