"""Files of the worker that are uploaded: their rules, their hash, and a folder as one zip file.

Belongs here: everything that reads a file.
Not here: when it is read or uploaded (``flows.upload``), and which file a task means (``operators``).
"""
