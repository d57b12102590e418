"""Python's database API (PEP 249) over a SQL session: a connection, and a cursor that waits.

Belongs here: what PEP 249 asks for.
Not here: when a statement is executed or asked for (``flows.sql``), and anything of Airflow.
"""
