"""The Runs API: its calls, the models of their answers, and the rules of the create body."""
