"""The Wherobots Runs REST API in plain Python, over HTTP. Imports nothing from Airflow."""
