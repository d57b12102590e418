"""What a task does on a worker in one call from Airflow, and what all tasks of this provider share.

Belongs here: what a task knows of Airflow: its context, XComs, deferral, retries and kills.
Not here: where its memory is (``task_memory``), what is sent when (``flows``), and what a DAG file declares
(``operators``, ``sensors``, ``decorators``).
"""
