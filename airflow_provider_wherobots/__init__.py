"""Apache Airflow provider for the Wherobots Runs REST API."""

__version__ = "0.1.0"
