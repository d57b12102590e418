"""Apache Airflow provider for the Wherobots Cloud Runs API."""

__version__ = "0.1.0"
