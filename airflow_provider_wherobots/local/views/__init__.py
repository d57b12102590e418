"""What the answers show: runs and logs in the published shapes."""
