"""SQL sessions, their executions, and the engines that execute statements."""
