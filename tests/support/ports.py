"""Free ports on the loopback interface."""

import contextlib
import socket
import sys


def free_ports(count: int) -> list[int]:
    """Return ``count`` different TCP ports of 127.0.0.1 that are free now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


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
