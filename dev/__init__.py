"""Tools for developers, not in the wheel: a real Airflow in a folder, the demo, and the test matrix."""
