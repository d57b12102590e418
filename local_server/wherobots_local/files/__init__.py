"""Storage: sources, files and folders, uploads and presigned URLs."""
