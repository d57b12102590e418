"""The files of the server's storage: who owns which folder, what clients may do to files, and for whom a URL works."""
