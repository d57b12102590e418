"""Checks an installation against a service: what is asked of it, what its answers mean, and the report."""
