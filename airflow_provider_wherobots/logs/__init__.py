"""A run's log: where reading is, which lines are new, what a line becomes. Pure; imports only the API's models."""
