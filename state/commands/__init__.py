"""The commands of ``python -m state``: a module each, with ``arguments`` and ``run``."""
