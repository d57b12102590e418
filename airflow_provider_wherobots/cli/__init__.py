"""The commands: ``python -m airflow_provider_wherobots``, and ``airflow wherobots`` on Airflow 3.2 and later."""
