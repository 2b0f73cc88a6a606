"""The lab: real Debian 13 machines on this computer, to deploy to and to test against.

`python -m tests.lab up` makes them; `Lab` is the same for tests.
"""

from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.shell import LabError
from tests.lab.size import Size

__all__ = ["Lab", "LabError", "Machine", "Size"]
