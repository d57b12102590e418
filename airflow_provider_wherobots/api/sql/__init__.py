"""SQL sessions: their calls and models, and the messages of their WebSocket."""
