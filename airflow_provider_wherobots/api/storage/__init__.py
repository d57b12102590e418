"""Storage: its calls and models, and the rules of addresses and presigned URLs.

Belongs here: what an address may be, and which call leads to an upload.
Not here: which files are uploaded (``files``, ``operators``), and when (``flows.upload``).
"""
