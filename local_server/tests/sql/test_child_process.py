"""How a SQL engine's process that does not start is told, without SedonaDB."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest

from wherobots_local.sql.engine import EngineError
from wherobots_local.sql.sedona import child_process


class EndingProcess:
    """Ends a moment after its connection, as a process with a traceback does."""

    async def wait(self) -> int:
        await asyncio.sleep(0.2)
        return 1


def test_a_process_that_dies_before_it_is_ready_is_told_with_its_last_lines() -> None:
    async def connect() -> Any:
        reader = asyncio.StreamReader()
        reader.feed_eof()
        connected: Any = asyncio.get_running_loop().create_future()
        connected.set_result((reader, None))
        process: Any = EndingProcess()
        return await child_process._connection(process, connected, deque([b"ImportError: no sedonadb\n"]))

    with pytest.raises(EngineError, match=r"did not start\. .*ImportError: no sedonadb"):
        asyncio.run(connect())
