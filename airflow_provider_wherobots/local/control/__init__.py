"""The control surface: how tests make the local server misbehave, and read what clients did to it."""
