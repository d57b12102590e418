"""The Airflow connection: its form, its test, and the drivers that use it.

Belongs here: all that reads a connection.
Not here: what a task does with it (``operators``), and what is sent when (``flows``).
"""
