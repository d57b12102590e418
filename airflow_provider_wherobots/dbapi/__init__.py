"""Connections and cursors over a SQL session, as Airflow's SQL hooks use them (PEP 249).

Belongs here: the objects and exceptions of PEP 249 that Airflow's provider common.sql calls.
Not here: when a session is requested or a statement executed (``flows.sql``), and anything of Airflow.
"""
