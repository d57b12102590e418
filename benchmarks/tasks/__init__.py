"""Tasks on a real Airflow: how late they end, how long they hold a worker, how often they call the service."""
