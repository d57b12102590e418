"""SQL sessions and their statements: what happens and when."""
