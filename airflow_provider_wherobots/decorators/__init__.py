"""The decorator ``@task.wherobots``.

Belongs here: what makes a script of a function, and JSON of its arguments.
Not here: how the run of the script is created and followed (``operators``).
"""
