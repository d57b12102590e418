"""The Runs API: its calls, the models of their responses, and the rules of the create body."""
