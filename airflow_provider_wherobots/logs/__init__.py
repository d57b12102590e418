"""A run's log: the position in it, which lines are new, and their records. Pure; imports only the API's models."""
