"""The runs that the local server knows: their state, their logs and where they are kept."""
