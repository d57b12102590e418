"""The operators: their arguments, which are checked when a DAG file is parsed, and the life of their tasks.

Belongs here: what a DAG file declares, and which flows a task runs when it begins, resumes, ends and is killed.
Not here: what only a running task imports (``tasks``).
"""
