"""Why a command does nothing: what was found, what was expected, and what to do."""


class Refusal(Exception):
    """What was asked cannot be done; ``str()`` is for the operator, in lines."""

    def __init__(self, found: str, expected: str, remedy: str) -> None:
        super().__init__(f"found: {found}\nexpected: {expected}\ndo: {remedy}")
        self.found = found
        self.expected = expected
        self.remedy = remedy
