"""Commands in a shell and an environment that are known, whatever the login shell of the user is.

sshd hands a command to the login shell, which may be no POSIX shell, and whose start-up files may
print, and set what they like. So the login shell gets one simple command, in words that mean the
same to every shell; that starts ``sh``, which prints a mark, runs the real command, and prints
another mark with its exit code. What is outside of the marks is no answer.
"""

import re
import secrets
from typing import Any, cast

from paramiko import Channel
from paramiko.channel import ChannelFile, ChannelStderrFile, ChannelStdinFile
from paramiko.ssh_exception import SSHException
from pyinfra.api import Host, StringCommand
from pyinfra.connectors.util import make_unix_command, make_unix_command_for_host

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Set again behind sudo, whose PAM may set a umask of its own.
KNOWN = "umask 022 && export LC_ALL=C &&"
_ENVIRONMENT = (
    f"unset BASH_ENV ENV CDPATH LANGUAGE; umask 022; PATH={PATH}; LC_ALL=C; export PATH LC_ALL"
)
MAX_NOISE_BYTES = 1_000_000
_SHOWN_NOISE = 300


class NoShell(SSHException):
    """A server ran something else than the command that it was given.

    + said: what it printed in its place
    """

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(f"the server did not run the command; it said: {said or 'nothing'}")


def known_command(host: Host, command: StringCommand, **arguments: Any) -> StringCommand:
    """Return a command as pyinfra would run it, with a known umask and language.

    + arguments: pyinfra's global arguments, such as `_sudo`
    """
    inner = make_unix_command(
        command,
        _env=arguments.pop("_env", None),
        _chdir=arguments.pop("_chdir", None),
        _shell_executable=None,
    )
    known = StringCommand(KNOWN, inner)
    return make_unix_command_for_host(host.state, host, known, **arguments)


def encoded(program: str, mark: str) -> str:
    """Return the one command for the login shell that runs a program of ``sh``.

    Within single quotes only letters, digits and signs are left that no shell gives a meaning to
    there: fish knows escapes, csh a history and no line breaks. ``printf`` restores the others.
    """
    framed = (
        f"{_ENVIRONMENT}\n"
        f"printf '\\036%s%s\\036\\n' chom- {mark}\n"
        f"printf '\\036%s%s\\036\\n' chom- {mark} >&2\n"
        f"{program}\n"
        "chom_status=$?\n"
        f"printf '\\036%s%s %s\\036\\n' end- {mark} $chom_status\n"
        f"printf '\\036%s%s %s\\036\\n' end- {mark} $chom_status >&2\n"
        "exit $chom_status\n"
    )
    safe = re.sub(
        rb"[^A-Za-z0-9 _./,:;=+@%^~$\"&|<>(){}\[\]*?#-]",
        lambda match: b"\\0%03o" % match[0][0],
        framed.encode(),
    ).decode()
    return f"sh -c 'eval \"$(printf %b \"$1\")\"' chom '{safe}'"


class Frame:
    """Finds what a command printed within all that came out of a stream."""

    def __init__(self, mark: str) -> None:
        self._begin = f"\x1echom-{mark}\x1e".encode()
        self._end = re.compile(rb"\x1eend-%s (\d+)\x1e" % mark.encode())
        self._ending = f"\x1eend-{mark} ".encode()
        self._rest = b""
        self.noise = b""
        self.has_begun = False
        self.has_ended = False
        self.status: int | None = None

    def feed(self, data: bytes) -> bytes:
        """Take what came, and return what of it the command is sure to have printed."""
        if self.status is not None:
            return b""
        self._rest += data
        if not self.has_begun:
            before, found, after = self._rest.partition(self._begin)
            # A terminal makes \r\n of a line's end.
            if not found or not re.match(rb"\r?\n", after):
                self.noise = before
                return b""
            self.has_begun = True
            self.noise, self._rest = before, after[after.index(b"\n") + 1 :]
        if match := self._end.search(self._rest):
            self.status = int(match[1])
            answer, self._rest = self._rest[: match.start()], b""
            return answer
        keep = self._possible_end()
        answer, self._rest = self._rest[:keep], self._rest[keep:]
        return answer

    def close(self) -> bytes:
        """Return what is left once the stream has ended; of a command that was cut off."""
        self.has_ended = True
        answer, self._rest = self._rest, b""
        return answer if self.has_begun and self.status is None else b""

    def _possible_end(self) -> int:
        """Where the mark of the end may have begun."""
        at = self._rest.rfind(b"\x1e", -len(self._ending) - 5)
        tail = self._rest[at:] if at >= 0 else b""
        is_end = tail.startswith(self._ending) or self._ending.startswith(tail)
        return at if tail and is_end else len(self._rest)


class FramedChannel:
    """A channel of which one hears what the command printed, and its own exit status.

    Raises NoShell from `recv_exit_status` where the server ran something else.
    """

    def __init__(self, channel: Channel, program: str) -> None:
        mark = secrets.token_hex(8)
        self._channel = channel
        self._out, self._err = Frame(mark), Frame(mark)
        channel.exec_command(encoded(program, mark))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def recv(self, size: int) -> bytes:
        """Return some of what the command printed; nothing at its end."""
        return self._receive(self._channel.recv, self._out, size)

    def recv_stderr(self, size: int) -> bytes:
        """The same of standard error."""
        return self._receive(self._channel.recv_stderr, self._err, size)

    def _receive(self, receive: Any, frame: Frame, size: int) -> bytes:
        while data := receive(size):
            if answer := frame.feed(data):
                return answer
            if not frame.has_begun and len(frame.noise) > MAX_NOISE_BYTES:
                self._channel.close()
                break
        return frame.close()

    @property
    def exit_status(self) -> int:
        """The command's own, where it told it; -1 where there is none yet."""
        status: int = self._channel.exit_status
        return status if self._out.status is None else self._out.status

    def recv_exit_status(self) -> int:
        """Wait for the end, and return the command's exit status. Raises NoShell."""
        status: int = self._channel.recv_exit_status()
        if problem := self.problem():
            raise problem
        return status if self._out.status is None else self._out.status

    def problem(self) -> NoShell | None:
        """Why the output has ended without a word of the command, where a server is still there."""
        if self._out.has_begun or not self._out.has_ended or not _is_alive(self._channel):
            return None
        said = b" ".join([self._out.noise, self._err.noise]).decode(errors="replace")
        return NoShell(" ".join(said.split())[:_SHOWN_NOISE])

    def makefile_stdin(self, *arguments: Any) -> ChannelStdinFile:
        """A file of the command's standard input."""
        return ChannelStdinFile(cast(Channel, self), *arguments)

    def makefile(self, *arguments: Any) -> ChannelFile:
        """A file of its standard output."""
        return ChannelFile(cast(Channel, self), *arguments)

    def makefile_stderr(self, *arguments: Any) -> ChannelStderrFile:
        """A file of its standard error."""
        return ChannelStderrFile(cast(Channel, self), *arguments)


def _is_alive(channel: Channel) -> bool:
    transport = channel.get_transport()
    return transport is not None and transport.is_active()
