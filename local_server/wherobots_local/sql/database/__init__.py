"""Local SQL: DuckDB in a process of its own, which all sessions of a server share.

The process keeps a crash, or the memory, of one statement away from the server and its runs. DuckDB lets one process
write to a database file, so the sessions share it; a cancel interrupts one statement and no other.
"""
