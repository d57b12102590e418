"""A Wherobots on your own machine: the Runs API, and a server behind it that really runs the scripts."""
