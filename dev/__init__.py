"""A real Airflow in a folder, and the demo that runs on it. For developers; not in the wheel."""
