"""Files of the worker that are uploaded: what may be one, its hash, and a folder as one zip file.

Belongs here: all that reads a file.
Not here: when it is read or uploaded (``flows.upload``), and which file a task means (``operators``).
"""
