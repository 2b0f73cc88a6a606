"""The keys that a host trusts, and those that a vendor offers to it."""

from base64 import b64decode

from pyinfra.api import FactBase, QuoteString, StringCommand


class KeyFile(FactBase[bytes]):
    """A key file of the host as it is; empty where there is none."""

    default = bytes

    def command(self, path: str) -> StringCommand:
        quoted = QuoteString(path)
        return StringCommand("[ ! -f", quoted, "] || base64 -w0", quoted)

    def process(self, output: list[str]) -> bytes:
        return b64decode("".join(output))


class OfferedKey(FactBase[bytes]):
    """What is at a URL, as the host itself gets it; empty where it does not get it.

    apt fetches it, which needs nothing that a bare machine does not have. Nothing is left there.
    """

    default = bytes
    asked_alone = True

    def command(self, url: str) -> StringCommand:
        return StringCommand(
            "t=$(mktemp -d); chmod 755 $t; /usr/lib/apt/apt-helper -o Acquire::Retries=3"
            " download-file", QuoteString(url), "$t/key >/dev/null 2>&1 && base64 -w0 $t/key;"
            " rm -rf $t",
        )  # fmt: skip

    def process(self, output: list[str]) -> bytes:
        return b64decode("".join(output))
