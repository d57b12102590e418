"""Airflow's task log: writing a log line, and reading it back."""
