"""A run's log: the position in it, which lines are new, what a line becomes. Pure; imports only the API's models."""
