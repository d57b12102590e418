"""Runs, logs, storage and the account in the published schemas."""
