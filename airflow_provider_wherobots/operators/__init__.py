"""The operators: their arguments, which are checked when a DAG file is parsed, and what a try does on a worker.

Belongs here: what a task knows of Airflow: its context, XComs, deferral and retries.
Not here: what is sent when (``flows``). What a DAG file imports must not import what only a try needs.
"""
