"""SQL sessions: their calls and models, and the messages of their WebSocket.

Belongs here: what is true of one call or one message.
Not here: the order of messages, and what a lost one means (``flows.sql``); SQL as text (``sql``).
"""
