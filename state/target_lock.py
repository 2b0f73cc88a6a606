"""One deploy at a time on one target: a process there that ends with our connection.

It holds a lock of the kernel's, so nothing is left to be cleaned up, whoever is killed. As long as
we live we write it a line now and then; if none comes for ``LEASE_S`` seconds (a computer that
lost its power closes no connection), it ends as well.
"""

import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress

import gevent
from gevent.lock import Semaphore
from paramiko.ssh_exception import SSHException
from pyinfra.api import Host

from facts.records import FOLDER as RECORDS
from facts.records import listing
from facts.turns import FOLDER, HOLDER, TURN
from state.connection import start_command
from state.copies import PUT
from state.held import Held
from state.holder import Holder, read_holder
from state.output_limit import Budget
from state.remote_shell import FramedChannel

LEASE_S = 60
ANSWER_S = 30
# The names of 100,000 records have 2 MB.
MAX_SAID_BYTES = 4_000_000

# Reads for how long to wait, and the id and the words of who wants it. Prints who holds it, once,
# if it must wait; then `taken` and the mark of whoever had it before, the names of the records that
# the target has copies of, and a dot. `robbed` and by whom, if somebody took our place; at last
# `copied`, if it has all copies that it was given.
_HOLD = f"""\
umask 077
dir=$1 lease=$2 records=$3
{PUT}
describe() {{ printf '%s\\n' "$1" > $dir/.{HOLDER} && mv $dir/.{HOLDER} $dir/{HOLDER}; }}
read -r wait id holder || exit 1
mkdir -pm 700 $dir || exit 1
exec 9>>$dir/deploy.lock || exit 1
if ! flock -n 9; then
  now=$(date +%s)
  echo "held $((now - $(stat -c %Y $dir/{HOLDER} 2>/dev/null || echo $now)))"
  cat $dir/{HOLDER} 2>/dev/null || echo
  [ $wait != 0 ] && flock -w $wait 9 || exit 0
fi
by=$(sed -n "s/^$id //p" $dir/deploy.robbed 2>/dev/null)
[ -z "$by" ] || {{ echo "robbed $by"; exit 0; }}
trap 'echo "robbed $(sed -n "s/^$id //p" $dir/deploy.robbed)"; rm -f $dir/{HOLDER}; exit 0' TERM
echo $$ > $dir/deploy.pid
describe "$holder"
echo "taken $(cat $dir/{TURN} 2>/dev/null || echo none)"
cat /proc/sys/kernel/random/uuid > $dir/{TURN} || exit 1
{listing("$records")}
echo .
given= failed=
while read -r -t $lease word new rest && [ "$word" != release ]; do
  case $word in
    describe) id=$new; describe "$rest" ;;
    copy) given=yes; put "$records" "$new" "$rest" || failed=yes ;;
    *) touch $dir/{HOLDER} ;;
  esac
done
[ -z "$given" ] || [ -n "$failed" ] || {{ sync "$records" && echo copied; }}
rm -f $dir/{HOLDER}
"""

# Prints `free`, or who held it, and `robbed` once he does not any more.
_ROB = """\
umask 077
dir=$1 by=$2
[ -e $dir/deploy.lock ] || { echo free; exit 0; }
exec 9>>$dir/deploy.lock || exit 1
if flock -n 9; then echo free; exit 0; fi
now=$(date +%s)
echo "held $((now - $(stat -c %Y $dir/deploy.json 2>/dev/null || echo $now)))"
cat $dir/deploy.json 2>/dev/null || echo
id=$(sed -n 's/.*"deployment_id": "\\([^"]*\\)".*/\\1/p' $dir/deploy.json)
echo "$id $by" > $dir/deploy.robbed
kill -TERM $(cat $dir/deploy.pid)
flock -w 10 9 && echo robbed
"""


class Robbed(Exception):
    """Somebody took our place on a target by ``python -m state unlock``."""

    remedy = "ask who did it why; once nothing else is under way, run it again"

    def __init__(self, where: str, by: str) -> None:
        super().__init__(f"{by or 'somebody'} took over the lock on {where}; nothing more is done")


class NoAnswer(Exception):
    """A target did not say whether we hold its lock."""

    remedy = "see that the target answers and that its disk is not full, and run it again"


def start(host: Host) -> FramedChannel:
    """A process on a host that waits for us to want its lock. Raises SSHException and OSError."""
    arguments = shlex.join([FOLDER, str(LEASE_S), RECORDS])
    return start_command(host, f"exec bash -c {shlex.quote(_HOLD)} chom-lock {arguments}")


def begin(host: Host) -> gevent.Greenlet:
    """Start that already, as it takes a round trip, while other things are done."""
    return gevent.spawn(_started, host)


def _started(host: Host) -> FramedChannel | None:
    try:
        return start(host)
    except (OSError, EOFError, SSHException):
        return None  # whoever wants it finds out why


class TargetLock:
    """The lock on one host.

    ``begun``: what ``begin`` returned for the host, if it was called. Once we hold it: ``copies``:
    the ids of the records that the host has; ``turn``: the mark of whoever held it before, None
    where we waited for him.
    """

    def __init__(self, host: Host, holder: Holder, begun: gevent.Greenlet | None = None) -> None:
        self.host = host
        self.holder = holder
        self._begun = begun
        self.copies: list[str] = []
        self.turn: str | None = None
        self._channel: FramedChannel | None = None
        self._greenlets: list[gevent.Greenlet] = []
        self._robbed_by: str | None = None
        self._copied = False
        self._sending = Semaphore()

    def take(
        self,
        wait_s: float = 0,
        waits: Callable[[Held], None] = lambda _: None,
        grace_s: float = 0,
    ) -> None:
        """Hold it. ``waits`` is told who has it. Raises Held, Robbed, NoAnswer.

        ``grace_s``: for how long it is waited for in any case, without a word.
        """
        channel = None
        try:
            channel = self._open()
            channel.settimeout(ANSWER_S)
            patience = int(max(wait_s, grace_s))
            words = f"{patience} {self.holder.deployment_id} {self.holder.to_json()}\n"
            channel.sendall(words.encode())
            self._read_answer(channel, wait_s, waits, grace_s)
        except BaseException as error:
            if channel is not None:
                channel.close()
            if not isinstance(error, OSError | EOFError | SSHException):
                raise
            reason = str(error) or type(error).__name__
            raise NoAnswer(f"{self.host.name} did not answer for its lock: {reason}") from error
        channel.settimeout(None)
        self._channel = channel
        self._greenlets = [gevent.spawn(self._watch, channel), gevent.spawn(self._renew, channel)]

    def _open(self) -> FramedChannel:
        """The channel that was begun, or another one."""
        begun, self._begun = self._begun, None
        channel: FramedChannel | None = begun.get() if begun is not None else None
        return start(self.host) if channel is None or channel.closed else channel

    def describe(self, holder: Holder) -> None:
        """Say otherwise who holds it, and for what."""
        self.holder = holder
        if self._channel is not None:
            text = f"describe {holder.deployment_id} {holder.to_json()}\n"
            with suppress(OSError, EOFError, SSHException):  # lost, as the next `keep` finds
                self._send(self._channel, text)

    def keep(self) -> None:
        """See that it is still held, and hold it again if it got lost. Raises as ``take`` does."""
        if self._robbed_by is not None:
            raise Robbed(self.host.name, self._robbed_by)
        if self._channel is None:
            self.take()

    def release(self, copies: Mapping[str, str] | None = None, limit_s: float = 5) -> str | None:
        """Hold it no more, and wait a little until that is so.

        ``copies``: id → text, of records that the host is to hold before. Returns why it does not.
        """
        channel, self._channel = self._channel, None
        if channel is None:
            return "its lock was lost"
        try:
            channel.settimeout(limit_s)
            given = [f"copy {name} {len(text)}\n{text}" for name, text in (copies or {}).items()]
            self._send(channel, "".join([*given, "release\n"]))
            gevent.joinall(self._greenlets[:1], timeout=limit_s)
            if self._copied or not copies:
                return None
            said = channel.recv_stderr(4096).decode(errors="replace").strip()
            return "; ".join(said.splitlines()) or "it said nothing"
        except (OSError, EOFError, SSHException) as error:
            # The connection is gone, and the lock with it.
            return str(error) or type(error).__name__
        finally:
            gevent.killall(self._greenlets, block=False)
            channel.close()

    def _send(self, channel: FramedChannel, text: str) -> None:
        """Write it whole: several may have something to say."""
        with self._sending:
            channel.sendall(text.encode())

    def _read_answer(
        self, channel: FramedChannel, wait_s: float, waits: Callable[[Held], None], grace_s: float
    ) -> None:
        lines = _Lines(channel, self.host.name)
        held = None
        first = lines.next()
        if first.startswith("held "):
            held = Held(self.host.name, read_holder(lines.next()), int(first.split()[1]))
            if max(wait_s, grace_s) < 1:
                raise held
            if wait_s >= 1:
                waits(held)
            channel.settimeout(max(wait_s, grace_s) + ANSWER_S)
            first = lines.next()
            if not first:
                raise held
        if first.startswith("robbed"):
            raise Robbed(self.host.name, first.partition(" ")[2])
        if not first.startswith("taken "):
            said = channel.recv_stderr(4096).decode(errors="replace").strip()
            raise NoAnswer(f"{self.host.name} did not give its lock: {said or 'it said nothing'}")
        self.turn = None if held else first.partition(" ")[2]
        self.copies = []
        while (line := lines.next()) != ".":
            if not line:
                raise EOFError("the connection ended")
            self.copies.append(line)

    def _watch(self, channel: FramedChannel) -> None:
        """Wait for the end of the process there: ours, or by somebody who takes our place."""
        lines = _Lines(channel, self.host.name)
        try:
            while line := lines.next():
                if line.startswith("robbed"):
                    self._robbed_by = line.partition(" ")[2]
                self._copied = line == "copied"
        except (OSError, EOFError, SSHException):
            pass
        if self._channel is channel:
            self._channel = None

    def _renew(self, channel: FramedChannel) -> None:
        try:
            while True:
                gevent.sleep(LEASE_S / 4)
                self._send(channel, "alive\n")
        except (OSError, EOFError, SSHException):
            pass  # whoever watches has seen it, too


class _Lines:
    """What comes out of a channel, line by line; an empty one at its end.

    Raises TooMuchOutput where more comes than any lock has to say.
    """

    def __init__(self, channel: FramedChannel, target: str) -> None:
        self._channel = channel
        self._rest = b""
        self._budget = Budget(target, MAX_SAID_BYTES)

    def next(self) -> str:
        while b"\n" not in self._rest:
            more = self._channel.recv(65536)
            if not more:
                return ""
            self._budget.spend(len(more), more.count(b"\n"))
            self._rest += more
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode(errors="replace").strip() or " "


def rob(host: Host, by: str) -> tuple[bool, Holder | None]:
    """Take a lock from whoever holds it.

    Returns whether somebody did, and who, if that was said. Raises NoAnswer.
    """
    command = f"exec bash -c {shlex.quote(_ROB)} chom-unlock {shlex.join([FOLDER, by])}"
    channel = start_command(host, command)
    channel.settimeout(ANSWER_S)
    lines = _Lines(channel, host.name)
    try:
        first = lines.next()
        if first == "free":
            return False, None
        holder = read_holder(lines.next())
        if first.startswith("held ") and lines.next() == "robbed":
            return True, holder
    except (OSError, EOFError, SSHException):
        pass
    said = channel.recv_stderr(4096).decode(errors="replace").strip()
    raise NoAnswer(f"{host.name} did not give its lock away: {said or 'it said nothing'}")
