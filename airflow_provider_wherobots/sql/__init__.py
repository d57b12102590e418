"""SQL as text: its parameters as literals and names, its statements, what a log may show of it, and its results.

Belongs here: what can be said of a statement or a result without executing it.
Not here: sessions and executions (``flows.sql``), and anything of Airflow.
"""
