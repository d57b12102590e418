"""The sensors that wait for a run which something else has started, and for the first row of a query.

Belongs here: their arguments and their rules.
Not here: how a run is found and followed (``flows``), and what a try does (``tasks``).
"""
