"""The commands: ``python -m airflow_provider_wherobots``, and ``airflow wherobots`` on Airflow 3.2 and later.

Belongs here: arguments, output and exit codes.
Not here: what a command decides (``flows``, ``doctor``).
"""
