"""HTTP and WebSocket: from requests to the service and back."""
