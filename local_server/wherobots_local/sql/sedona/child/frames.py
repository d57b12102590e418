"""Messages between the server and the child: a JSON header and bytes, both with their length before them."""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Any

LENGTHS = struct.Struct(">IQ")
MAX_HEADER_BYTES = 64 * 1024 * 1024
MAX_BODY_BYTES = 512 * 1024 * 1024


class FrameError(Exception):
    """A message is too large."""


class FrameSocket:
    """A socket that carries messages. Several threads may send.

    :param stream: the connected socket.
    """

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._sending = threading.Lock()

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Send a message.

        :raises FrameError: if it is too large.
        """
        head = json.dumps(header).encode()
        if len(head) > MAX_HEADER_BYTES or len(body) > MAX_BODY_BYTES:
            raise FrameError(f"a result of {len(body):,} bytes is too large; {MAX_BODY_BYTES:,} are allowed")
        with self._sending:
            self._stream.sendall(LENGTHS.pack(len(head), len(body)) + head)
            self._stream.sendall(body)

    def receive(self) -> tuple[dict[str, Any], bytes] | None:
        """Wait for the next message.

        :returns: its header and body; None at the end.
        """
        lengths = self._exactly(LENGTHS.size)
        if lengths is None:
            return None
        head_bytes, body_bytes = LENGTHS.unpack(lengths)
        head = self._exactly(head_bytes)
        body = self._exactly(body_bytes)
        if head is None or body is None:
            return None
        return json.loads(head), body

    def _exactly(self, count: int) -> bytes | None:
        pieces = bytearray()
        while len(pieces) < count:
            piece = self._stream.recv(min(count - len(pieces), 1024 * 1024))
            if not piece:
                return None
            pieces += piece
        return bytes(pieces)
