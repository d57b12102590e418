"""Tasks on a real Airflow: how late they end, how long they hold a worker slot, how many calls they make."""
