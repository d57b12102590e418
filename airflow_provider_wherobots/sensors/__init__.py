"""The sensor that waits for a run which something else has started.

Belongs here: its arguments, its tries, and what it starts in the triggerer with.
Not here: how the run is found and followed (``flows``), and what all tries share (``operators``).
"""
