"""The sensor that waits for a run which something else has started.

Belongs here: its arguments and their rules, and the life of its task.
Not here: how a run is found and followed (``flows``), and what only a running task imports (``tasks``).
"""
