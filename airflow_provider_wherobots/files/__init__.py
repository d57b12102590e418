"""Files of the worker that are uploaded: what may be one, its hash, and a folder as one zip file."""
