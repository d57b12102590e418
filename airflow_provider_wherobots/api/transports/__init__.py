"""One call in, one response out. The only modules that open connections.

Belongs here: sockets, proxies, certificates, and the limits of bytes and time.
Not here: a second attempt of anything (``flows``).
"""
