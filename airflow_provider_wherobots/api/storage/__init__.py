"""Storage: the calls that lead to an upload, their models, and the rules of addresses and presigned URLs."""
