"""Tools for developers, not in the wheel: the demo, and what make calls."""
