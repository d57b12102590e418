"""The engine with SedonaDB: a child process per session."""
