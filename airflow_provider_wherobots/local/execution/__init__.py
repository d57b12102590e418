"""Really running a run: its process, its environment and what becomes of it."""
