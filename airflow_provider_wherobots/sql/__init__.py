"""SQL as text: its parameters as literals and names, its statements, what a log may show of it, and its results."""
