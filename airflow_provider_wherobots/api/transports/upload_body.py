"""The body of an upload, read piece by piece while it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from airflow_provider_wherobots.api.storage.models import Content


class UploadBody:
    """Iterates over a file from its beginning, each time that it is iterated. What ``before_piece`` raises ends the
    upload.
    """

    def __init__(self, content: Content, before_piece: Callable[[], None] = lambda: None) -> None:
        self._content = content
        self._before_piece = before_piece
        self.failure: Exception | None = None
        """Why the file could not be read to its end. An HTTP library would hide it in an error of its own."""

    def __iter__(self) -> Iterator[bytes]:
        """Read the file on this thread."""
        try:
            for piece in self._content.pieces():
                self._before_piece()
                yield piece
        except Exception as error:
            self.failure = error
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Read the file in threads, so that the event loop is not blocked."""
        pieces = self._content.pieces()
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                self._before_piece()
                yield piece
        except Exception as error:
            self.failure = error
            raise
