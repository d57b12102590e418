"""SQL as text: its parameters as literals and names, its statements, what a log may show of it, and its results.

Belongs here: how a statement is made or read, and how its result is read.
Not here: sessions and executions (``flows.sql``), and anything of Airflow.
"""
