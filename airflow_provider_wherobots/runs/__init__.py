"""What a run is to a task: its name, its outcome, what the task remembers of it, and whose it is.

Belongs here: values and rules, without I/O and without a clock.
Not here: what is sent when (``flows``).
"""
