"""Local SQL: DuckDB in its own process, which all sessions of a server share.

If a statement crashes or needs too much memory, only this process ends, not the server and its runs. Sessions share it
because DuckDB lets one process write to a database file. A cancel interrupts one statement and no other.
"""
