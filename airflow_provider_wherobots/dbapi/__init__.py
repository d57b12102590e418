"""Connections and cursors over a SQL session, as Airflow's SQL hooks use them (PEP 249).

Belongs here: what Airflow's provider common.sql, and programs for the official provider's hook, call of PEP 249, and
which exception a failure becomes.
Not here: when a session is requested or a statement executed (``flows.sql``).
"""
