"""The Wherobots Runs REST API as plain Python. Knows HTTP; imports nothing of Airflow."""
