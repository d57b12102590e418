"""Local SQL: DuckDB in a process of its own, which all sessions of a server share.

A statement that crashes or needs too much memory ends this process, not the server and its runs. DuckDB lets one
process write to a database file, so the sessions share it; a cancel interrupts one statement and no other.
"""
