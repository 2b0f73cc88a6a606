"""Excerpts of a unit's journal that say why the unit does not run."""

from facts.shell import sh

# How much of a unit's journal is searched for why it failed. A panic of a Go program may print
# hundreds of lines of stacks behind the one that says why.
JOURNAL_LINES = 1000
# What a unit said before this may be about another failure.
SINCE = "-10min"
LAST_LINES, MOST_CHARACTERS = 12, 400
# How programs begin to say why they end. Expressions of awk; in brackets, what would otherwise look
# like a traceback of our own in a log that shows commands.
_TELLING = "|".join(
    [
        r"^panic: ",
        r"^fatal error: ",
        r"^Trace[b]ack ",
        r"^thread .* panicked at",
        r"^PHP (Fatal|Parse) error",
        r"(^|[ \t])level=(error|fatal|critical|crit)[ \t]",
        r'"level": ?"(error|fatal)"',
        r"\[(ERROR|emerg|alert|crit)\]",
    ]
)
_STARTED = r"^(Starting|Started|Stopping|Stopped) .*[.]$|: Scheduled restart job"
# A filter for a unit's journal: the first line that says why of the last start that has one, with
# what follows it, and the last lines.
EXCERPT = (
    f"awk -v last={LAST_LINES} '"
    f"/{_STARTED}/ {{fresh = 1}} "
    f"/{_TELLING}/ {{if (fresh || !first) {{first = NR; fresh = 0}}}} "
    f"{{line[NR] = substr($0, 1, {MOST_CHARACTERS})}} "
    "END {from = NR - last + 1; if (from < 1) from = 1; "
    "if (first && first < from) {"
    "for (i = first; i < first + 3 && i < from; i++) print line[i]; "
    'if (i < from) print "(" from - i " lines left out)"} '
    "for (i = from; i <= NR; i++) print line[i]}'"
)


def explained(unit: str, command: str) -> str:
    """A shell command whose failure is explained by the unit's journal."""
    return f"{{ {command}; }} || {{ {explanation(unit, 'systemctl failed')} }}"


def explanation(unit: str, problem: str) -> str:
    """Shell commands that print ``problem`` and an excerpt of the unit's journal, and exit 1."""
    # The problem is a text of ours, in which the shell may have something to fill in.
    told = sh("echo {unit}", unit=f"{unit}:") + f' "{problem}; its journal says:"'
    journal = sh("journalctl -u {unit} -S", unit=unit)
    journal += f" {SINCE} -n {JOURNAL_LINES} --no-pager -o cat | {EXCERPT}"
    return f"{told} >&2; {journal} >&2; exit 1;"
