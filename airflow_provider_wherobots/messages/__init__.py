"""What log lines and exceptions are made of: durations, times, the service's own texts, unforeseen exceptions.

Belongs here: text, made safe and short.
Not here: the messages themselves, which stand where they are said.
"""
