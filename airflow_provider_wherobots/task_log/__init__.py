"""Airflow's task log: writing a line of a run's log, and reading it back.

Belongs here: what differs between the task logs of Airflow's versions, and a triggerer's socket.
Not here: which lines are new, and what a record contains (``logs``).
"""
