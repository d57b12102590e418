"""HTTP as data: calls, responses, errors, and the connection. In ``transports`` also what sends them.

Belongs here: what a request contains, how a response is read, and what a failure means.
Not here: when something is sent, repeated or given up (``flows``), and anything of Airflow.
"""
