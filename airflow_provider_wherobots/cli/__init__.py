"""The commands: ``python -m airflow_provider_wherobots``, and ``airflow wherobots`` on Airflow 3.2 and later.

Belongs here: arguments, output and exit codes.
Not here: decisions about runs and sessions (``flows``), and the doctor's checks of a service (``doctor``).
"""
