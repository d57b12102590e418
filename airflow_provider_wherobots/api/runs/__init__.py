"""The Runs API: its calls, the models of its responses, and the rules of the create body.

Belongs here: what is true of one call or one field.
Not here: what several calls together mean (``flows``), and where a task's arguments come from (``operators``).
"""
