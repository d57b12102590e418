"""Running a run: its process, its environment and its result."""
