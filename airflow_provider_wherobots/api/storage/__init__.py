"""Storage: its calls and models, and the rules of addresses and presigned URLs.

Belongs here: the rules of addresses, and the calls for an upload.
Not here: which files are uploaded (``files``, ``operators``), and when (``flows.upload``).
"""
