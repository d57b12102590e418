"""Airflow's side of a log line: how it is written into the task log, and read back."""
