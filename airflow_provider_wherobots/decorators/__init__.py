"""The decorator ``@task.wherobots``.

Belongs here: how a function becomes a script, and its arguments become JSON.
Not here: how the run of the script is created and followed (``operators``).
"""
