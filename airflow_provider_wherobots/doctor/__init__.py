"""Checks an installation against a service: what is asked of it, what its answers mean, and the report.

Belongs here: questions, and what an answer says about the service.
Not here: the command and its output (``cli``), and what a task decides (``flows``).
"""
