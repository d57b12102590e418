"""Checks an installation against a service: the calls, and what their results mean.

Belongs here: questions about the service, and the meaning of its responses.
Not here: the command and its output (``cli``), and the decisions of a task (``flows``).
"""
