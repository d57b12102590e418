"""Storage: sources, files and folders, uploads, presigned URLs and temporary keys."""
