"""The published API: requests, responses and errors."""
