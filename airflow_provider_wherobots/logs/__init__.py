"""A run's log: the position in it, which lines are new, and their records. Pure; imports only the API's models.

Belongs here: how a page or a line is read.
Not here: when a page is read (``flows.forward_logs``), and how a record is written (``task_log``).
"""
