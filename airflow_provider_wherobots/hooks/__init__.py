"""The Airflow connection: its form, its test, and the drivers that use it.

Belongs here: everything that reads a connection.
Not here: what a task does with it (``operators``), and when a request is sent (``flows``).
"""
