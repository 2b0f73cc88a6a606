"""What is true on a host: read-only, one remote command each.

At the start of a host's work all that its last run asked is asked at once (state/breath.py), and
an answer may be some seconds old when it is used. A fact that this would make wrong says
``asked_alone = True``: one that waits, that leaves something behind, whose answer another target
has part in, or that may wait for somebody beyond its host longer than all others together.
"""
