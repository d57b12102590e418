"""SQL sessions: sessions, executions, and the engines that execute their statements."""
