"""The HTTP side of the local server: from requests to the runs and back."""
