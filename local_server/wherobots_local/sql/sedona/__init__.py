"""The engine with SedonaDB: a child process per session, in a virtual environment that is made at its first use."""
