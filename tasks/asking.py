"""Asking a Prometheus, or a Loki, which answers alike, from the shell of its own machine."""

import json
from collections.abc import Mapping, Sequence

from tasks.quoting import shell


def series_found(url: str, query: str, wanted: Sequence[Mapping[str, str]], missing: str) -> str:
    """A shell command that succeeds when the answer to an instant query has the wanted series.

    ``wanted``: all labels of each. It names the others, each after the word ``missing``.
    """
    # As they stand in the answer; no label of ours has a space in it.
    texts = [shell(json.dumps(labels, separators=(",", ":"))) for labels in wanted]
    return (
        f"found=$(curl -fsS -m 5 -G --data-urlencode {shell(f'query={query}')} {url} | tr -d ' ');"
        f' missing=; for each in {" ".join(texts)}; do case $found in *"$each"*) ;;'
        f' *) echo "{missing}: $each" >&2; missing=yes;; esac; done; [ -z "$missing" ]'
    )
