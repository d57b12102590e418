"""A service that responds at once, with bytes made beforehand, so that its cost does not hide the client's.

``python -m benchmarks.service --events 2`` prints its port and serves until its input is closed. It knows Get Run, and
Run Logs with cursors that count lines:

* an id that begins with ``busy``: the run is RUNNING; of its log every other page has 8 to 12 lines, the others none.
* ``resumed``: the run is RUNNING; its log has ``RESUMED_LINES`` lines.
* ``long`` or ``short``: the run is COMPLETED, and its log has ``--lines`` lines or ``SHORT_LINES``.
* any other: the run is RUNNING, and its log is empty.
"""

import argparse
import asyncio
import json
import sys
from functools import lru_cache
from typing import cast
from urllib.parse import parse_qs, urlsplit

BUSY_LINES = 8
SHORT_LINES = 5_000
RESUMED_LINES = 500
START_NS = 1_760_000_000_000_000_000
RUN = {
    "name": "hail_stats-0123456789ab",
    "createTime": "2026-01-01T00:00:00Z",
    "updateTime": "2026-01-01T00:00:05Z",
    "startTime": "2026-01-01T00:00:05Z",
    "payload": {
        "runtime": "tiny",
        "timeoutSeconds": 3600,
        "runPython": {"uri": "s3://bucket/script.py", "args": ["--date", "2026-01-01"]},
        "environment": {"sparkConfigs": {"spark.sql.shuffle.partitions": "64"}, "dependencies": []},
    },
}
EVENT = {
    "code": "EVENT",
    "message": "The application's driver is placed on a node.",
    "updatedAt": "2026-01-01T00:00:05Z",
}


def line(number: int) -> dict[str, str]:
    """One line of the log, as Spark writes them."""
    text = (
        f"26/01/01 00:{number // 60 % 60:02d}:{number % 60:02d} INFO TaskSetManager: Finished task {number}.0 in stage "
        f"3.0 (TID {number}) in 120 ms on 10.0.0.{number % 250} (executor {number % 8}) ({number}/100000)"
    )
    return {"timestamp": str(START_NS + number * 1_000_000), "raw": text}


class _Connection(asyncio.Protocol):
    def __init__(self, service: "Service") -> None:
        self._service = service
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            response = self._service.response(head.split(b" ", 2)[1].decode())
            if self._service.latency:
                asyncio.get_running_loop().call_later(self._service.latency, self._transport.write, response)
            else:
                self._transport.write(response)


class Service:
    """The responses.

    :param latency: seconds before each response.
    """

    def __init__(self, events: int, lines: int, latency: float) -> None:
        self.latency = latency
        self._lines = {"long": lines, "short": SHORT_LINES}
        app = {"status": "READY", "message": None, "appMeta": {"spark_ui_url": ""}, "events": [EVENT] * events}
        self._running = _http({**RUN, "id": "r", "status": "RUNNING", "kubeApp": app})
        self._completed = _http({**RUN, "id": "r", "status": "COMPLETED", "completeTime": "2026-01-01T00:01:00Z"})
        self._empty = _http({"items": [], "next_page": None})
        self._news: dict[str, bool] = {}
        self._page = lru_cache(maxsize=None)(self._make_page)

    def response(self, target: str) -> bytes:
        """The response to a GET."""
        url = urlsplit(target)
        run_id = url.path.split("/")[2]
        if not url.path.endswith("/logs"):
            return self._completed if run_id in self._lines else self._running
        query = parse_qs(url.query)
        start, size = int(query["cursor"][0]), int(query["size"][0])
        if (lines := self._lines.get(run_id)) is not None:
            return self._page(start, min(size, lines - start), start + size < lines)
        if run_id.startswith("resumed"):
            return self._page(start, max(0, min(size, RESUMED_LINES - start)), start + size < RESUMED_LINES)
        if run_id.startswith("busy") and self._has_news(run_id, start):
            # Pages of one length may have been cut by the service: then the next one is requested at once.
            return self._page(start, BUSY_LINES + start % 5, True)
        return self._empty

    def _has_news(self, run_id: str, start: int) -> bool:
        # Each side begins at 0.
        self._news[run_id] = has_news = start == 0 or not self._news.get(run_id, False)
        return has_news

    def _make_page(self, start: int, size: int, more: bool) -> bytes:
        items = [line(number) for number in range(start, start + size)]
        return _http({"items": items, "next_page": str(start + size) if more else None})


def _http(document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def _serve(service: Service) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(service), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve until the input is closed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service")
    parser.add_argument("--events", type=int, default=2)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each response")
    given = parser.parse_args()
    asyncio.run(_serve(Service(given.events, given.lines, given.latency)))


if __name__ == "__main__":
    main()
