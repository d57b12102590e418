"""Checks an installation against a service: what is requested, what its responses mean, and the report.

Belongs here: questions, and what a response means.
Not here: the command and its output (``cli``), and what a task decides (``flows``).
"""
