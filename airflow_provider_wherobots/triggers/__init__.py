"""The triggers, which run while tasks are deferred.

Belongs here: what a trigger stores, its event, and whether a cancel of the trigger is a kill of its task.
Not here: how a run or a statement is followed (``flows``). No call here can block the event loop.
"""
