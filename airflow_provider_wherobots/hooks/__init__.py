"""The Airflow connection: its form, its test, and the ``Io`` objects that use it.

Belongs here: everything that reads a connection.
Not here: what a task does with it (``operators``), and when a request is sent (``flows``).
"""
