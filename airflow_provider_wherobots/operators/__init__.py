"""The operators: their arguments, which are checked when a DAG file is parsed.

Belongs here: what a DAG file declares. A DAG file must not import what only a try needs.
Not here: what a try does (``tasks``).
"""
