"""Letting a long command tell how far it has come, once a second (see facts/progress.py)."""

from facts.progress import MARK


def telling(words: str) -> str:
    """A shell command that starts telling what the shell command ``words`` prints.

    ``$telling`` is then the process that ``END`` ends. It ends by itself with the shell that began
    it, and when nobody listens any more: the work goes on.
    """
    return (
        f"{{ while sleep 1 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do"
        f' printf "{MARK}%s\\n" "$({words})"; done; }} </dev/null 2>/dev/null & telling=$!'
    )


END = "{ kill $telling 2>/dev/null || true; }"
