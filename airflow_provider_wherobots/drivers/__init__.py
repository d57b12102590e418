"""The two drivers that run any flow: one blocks a worker's thread, the other awaits in the triggerer's event loop.

Belongs here: how an effect is performed.
Not here: decisions (``flows``), and the sockets themselves (``api.transports``).
"""
