"""A free port on the loopback interface."""

import socket
import sys


class HeldPort:
    """A free port that the system gives to nobody else until :meth:`release`, and that a server can listen on.

    It is bound, but not listened on. Linux lets another socket bind it by its number, if both have ``SO_REUSEADDR``, as
    those of servers have; it never picks the port for a socket that asks for any. Elsewhere it is only free now.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = int(self._socket.getsockname()[1])
        if sys.platform != "linux":
            self.release()

    def release(self) -> None:
        """Let the system give the port to others again."""
        self._socket.close()
