"""Python's database API (PEP 249) over a SQL session: a connection, and a cursor that waits."""
