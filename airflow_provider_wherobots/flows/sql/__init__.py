"""SQL sessions and their statements: what happens and when.

Belongs here: the states of a session and of a statement, and what becomes of one whose outcome is unknown.
Not here: messages (``api.sql``), and SQL as text (``sql``).
"""
