"""The tasks while they are deferred.

Belongs here: what a trigger stores, its event, and whether a cancel of it is a kill of its task.
Not here: what is followed and how (``flows``). No call here may block the event loop.
"""
