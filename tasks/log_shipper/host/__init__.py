"""Delivery checkpoints of a log shipper: a restart during an outage of Loki loses no line.

A shipper notes a line as read when it hands the line to its sending queue, not when Loki has it,
and the queue is lost when the process ends. This program keeps a checkpoint: the positions up to
which Loki has everything. The shipper always starts from the checkpoint.

The program runs on the target as the shipper's own user, with Python's standard library alone.
"""
