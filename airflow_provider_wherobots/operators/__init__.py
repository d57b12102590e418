"""The tasks on a worker: their arguments, which a DAG file is checked by, and what a try does.

Belongs here: what a task knows of Airflow: its context, XComs, deferral and retries.
Not here: what is sent when (``flows``). What a DAG file imports must not import what only a try needs.
"""
