"""Runs: their state, their logs and their files."""
