"""Executes runs: process, environment, result."""
