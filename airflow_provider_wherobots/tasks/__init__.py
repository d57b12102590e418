"""What one try of a task does on a worker.

Belongs here: what a try knows of Airflow: its context, XComs, memory, deferral, retries and kills.
Not here: what is sent when (``flows``), and what a DAG file declares (``operators``, ``sensors``, ``decorators``).
"""
