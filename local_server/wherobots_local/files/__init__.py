"""The server's storage: its sources, its files and folders, uploads, presigned URLs and temporary keys."""
