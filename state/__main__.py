"""``python -m state``: Ctrl-C ends it without a word, also while it still loads."""

import os
import signal
import sys

signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from state.command_line import main  # noqa: E402

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
