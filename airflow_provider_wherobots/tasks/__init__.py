"""What a task does on a worker in one call from Airflow, and what all tasks of this provider share.

Belongs here: what a task knows of Airflow: its context, XComs, memory, deferral, retries and kills.
Not here: what is sent when (``flows``), and what a DAG file declares (``operators``, ``sensors``, ``decorators``).
"""
