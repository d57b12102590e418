"""Runs and logs in the published shapes of the API."""
