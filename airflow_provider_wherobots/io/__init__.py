"""``Io``, through which a flow acts, and its two worlds: a worker's thread and the triggerer's event loop.

Belongs here: how each thing is done.
Not here: decisions (``flows``), and the sockets themselves (``api.transports``).
"""
