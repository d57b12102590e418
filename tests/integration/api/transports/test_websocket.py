"""Each ``Io`` on a real WebSocket: what becomes of every kind of connection, and what no error and no log shows."""

import asyncio
import logging
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.errors import (
    BadRequestError,
    ConnectionLostError,
    NotSentError,
    NotWrittenError,
    PermissionDeniedError,
    ServerError,
    UnreadableResponseError,
    UntrustedServerError,
    WherobotsApiError,
)
from airflow_provider_wherobots.api.sql.messages import (
    CancelExecution,
    ExecutionError,
    ExecutionResult,
    RetrieveResults,
    StateUpdated,
    TooLarge,
    Unreadable,
)
from airflow_provider_wherobots.api.transports import websocket
from airflow_provider_wherobots.api.transports.websocket import IN_TRIGGERER, ON_WORKER, SocketLimits
from airflow_provider_wherobots.flows.sql.outcome import StatementOutcome, StatementState
from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, execute, last_word_after_cancel
from airflow_provider_wherobots.io import event_loop
from airflow_provider_wherobots.io.base import Io
from airflow_provider_wherobots.io.worker import FlowStoppedError
from tests.integration.api.transports.session_server import SessionServer, result, state
from tests.integration.api.transports.wire import (
    Wire,
    answering,
    full_listener,
    read_request,
    resetting,
    server_context,
    silent,
)
from tests.integration.driven import Driven
from tests.integration.signals import signal_when
from tests.support.waiting import wait_for

KEY = "sql-socket-key-9c41"
ENDPOINT = Endpoint("https://api.example.com", KEY)


@pytest.fixture(params=["sync", "async"])
def drive(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Driven]]:
    """Makes an ``Io``, with the limits of its WebSockets."""
    caplog.set_level(logging.DEBUG)
    made: list[Driven] = []

    def make(limits: SocketLimits | None = None) -> Driven:
        made.append(Driven(request.param, ENDPOINT, limits))
        return made[-1]

    yield make
    for each in made:
        each.close()
        assert KEY not in str(each.notes)
    assert KEY not in caplog.text
    assert [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.WARNING] == []


@pytest.fixture
def driven(drive: Callable[..., Driven]) -> Driven:
    return drive()


def options(server: SessionServer, **more: Any) -> StatementOptions:
    return StatementOptions(url=server.url, **more)


def refusal_of(driven: Driven, url: str, timeout: float = 30.0) -> WherobotsApiError:
    with pytest.raises(WherobotsApiError) as caught:
        driven.connect(url, timeout)
    error = caught.value
    shown = f"{error!r} {''.join(traceback.format_exception(error))} {error.__cause__!r} {error.__context__!r}"
    assert KEY not in shown
    return error


def frame_header(size: int, *, is_first: bool = True, is_last: bool = True) -> bytes:
    """The header of a binary frame, of one message or of a part of it."""
    return struct.pack("!BBQ", (0x80 if is_last else 0) | (0x2 if is_first else 0), 127, size)


def write(sock: web.WebSocketResponse, data: bytes) -> None:
    """Write bytes as they are."""
    assert sock._req is not None
    transport = sock._req.transport
    assert transport is not None
    transport.write(data)


# One connection


def test_statements_one_after_the_other_on_one_connection(driven: Driven) -> None:
    with SessionServer() as server:
        driven.connect(server.url)
        for number in range(3):
            outcome: StatementOutcome = driven.run(execute, Statement(f"e{number}", "SELECT 1"), options(server))
            assert outcome.state is StatementState.SUCCEEDED
            assert outcome.results is not None
            assert outcome.results.data == b"rows"
        assert len(server.requests) == 1
        headers = server.requests[0].headers
        assert headers["X-API-Key"] == KEY
        assert headers["X-Wherobots-Client"] == ENDPOINT.client
        assert headers["User-Agent"] == ENDPOINT.user_agent
        driven.run(lambda io: io.disconnect())
        assert wait_for(lambda: server.were_clean) == [False]
    assert server.kinds() == ["execute_sql", "retrieve_results"] * 3


def test_another_connection_takes_the_place_of_the_open_one(driven: Driven) -> None:
    with SessionServer() as server:
        driven.connect(server.url)
        driven.connect(server.url)
        assert wait_for(lambda: server.were_clean) == [False]
        driven.transmit(CancelExecution("e1"))
        assert driven.receive() == StateUpdated("e1", "cancelled")


def test_without_a_connection_nothing_is_written_and_closing_is_no_error(driven: Driven) -> None:
    driven.run(lambda io: io.disconnect())
    for use in (lambda: driven.transmit(CancelExecution("e1")), lambda: driven.receive(1.0)):
        with pytest.raises(NotWrittenError, match="no WebSocket is open"):
            use()


def test_silence_ends_a_wait_in_time(driven: Driven) -> None:
    with SessionServer() as server:
        driven.connect(server.url)
        start = time.monotonic()
        assert driven.receive(0.3) is None
        assert driven.receive(0.0) is None
        assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize("drive", ["sync"], indirect=True)
def test_pings_are_answered_while_nobody_listens(driven: Driven) -> None:
    """A flow on an event loop that does not listen lets the test's loop stand still."""

    async def ping(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        await sock.ping()

    with SessionServer(ping) as server:
        driven.connect(server.url)
        driven.transmit(CancelExecution("e1"))
        wait_for(lambda: server.pongs == 1)


@pytest.mark.parametrize("size", [10, websocket.LARGE_FRAME_BYTES - 1, 6_000_000])
def test_a_large_result_comes_whole(drive: Callable[..., Driven], size: int) -> None:
    """More than the four megabytes that aiohttp takes by default."""

    async def send(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        await sock.send_bytes(result("e1", b"x" * size))
        await sock.send_str(state("e1", "late"))

    driven = drive(SocketLimits(7_000_000))
    with SessionServer(send) as server:
        driven.connect(server.url)
        driven.transmit(RetrieveResults("e1"))
        message = driven.receive(20.0)
        assert isinstance(message, ExecutionResult)
        assert message.results is not None
        assert len(message.results.data) == size
        assert driven.receive() == StateUpdated("e1", "late")


@pytest.mark.parametrize("parts", [1, 3])
def test_too_large_a_message_is_told_and_the_connection_lost(drive: Callable[..., Driven], parts: int) -> None:
    """Also in a message of several frames."""

    async def send(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        await sock.send_str(state("e1", "running"))
        for part in range(parts):
            write(sock, frame_header(2_000, is_first=part == 0, is_last=part == parts - 1) + b"x" * 2_000)

    driven = drive(SocketLimits(1_000 + 2_000 * (parts - 1)))
    with SessionServer(send) as server:
        driven.connect(server.url)
        driven.transmit(RetrieveResults("e1"))
        assert driven.receive() == StateUpdated("e1", "running")
        assert driven.receive() == TooLarge(1_000 + 2_000 * (parts - 1))
        with pytest.raises(ConnectionLostError, match=r"larger than [15],000 bytes"):
            driven.receive()


def test_a_message_that_is_too_large_is_not_read_to_its_end(drive: Callable[..., Driven]) -> None:
    """Its last byte never comes: what is told of it is told before."""

    async def send(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        write(sock, frame_header(2**40) + b"x" * (2_000_000 + websocket.SLACK_BYTES))

    driven = drive(SocketLimits(1_000_000))
    with SessionServer(send) as server:
        driven.connect(server.url)
        driven.transmit(RetrieveResults("e1"))
        assert driven.receive() == TooLarge(1_000_000)


@pytest.mark.parametrize("frame", ["{", b"\x61", "[" * 50_000, b"\x81" * 50_000, b""])
def test_a_frame_that_cannot_be_read_is_told_and_the_next_one_is_read(driven: Driven, frame: str | bytes) -> None:
    async def send(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        await (sock.send_str(frame) if isinstance(frame, str) else sock.send_bytes(frame))
        await sock.send_str("{}")
        await sock.send_str(state("e1", "running"))

    with SessionServer(send) as server:
        driven.connect(server.url)
        driven.transmit(RetrieveResults("e1"))
        assert isinstance(driven.receive(), Unreadable)
        assert driven.receive() == StateUpdated("e1", "running")


def test_the_key_is_in_no_error_of_the_engine(driven: Driven) -> None:
    async def fail(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        await sock.send_json({"kind": "error", "execution_id": "e1", "message": f"403 for X-API-Key: {KEY}"})

    with SessionServer(fail) as server:
        driven.connect(server.url)
        driven.transmit(RetrieveResults("e1"))
        assert driven.receive() == ExecutionError("e1", "403 for X-API-Key: ***")


# A lost connection


def closing(code: int, said: bytes = b"") -> Any:
    async def close(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        await sock.send_str(state("e1", "running"))
        await sock.close(code=code, message=said)

    return close


@pytest.mark.parametrize(("code", "said"), [(1000, b""), (1001, b"going away"), (1011, b"echo " + KEY.encode())])
def test_what_came_before_a_close_is_read_before_the_loss_is_told(driven: Driven, code: int, said: bytes) -> None:
    with SessionServer(closing(code, said)) as server:
        driven.connect(server.url)
        driven.transmit(RetrieveResults("e1"))
        assert driven.receive() == StateUpdated("e1", "running")
        for _ in range(2):
            with pytest.raises(ConnectionLostError, match=f"code {code}") as caught:
                driven.receive()
            assert caught.value.transient
            assert KEY not in "".join(traceback.format_exception(caught.value))
        with pytest.raises(NotWrittenError, match=f"code {code}"):
            driven.transmit(RetrieveResults("e1"))


@pytest.mark.parametrize("is_reset", [True, False])
def test_a_connection_that_is_cut_is_lost(driven: Driven, is_reset: bool) -> None:
    async def cut(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        assert sock._req is not None
        transport = sock._req.transport
        assert transport is not None
        found = transport.get_extra_info("socket")
        if is_reset:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()

    with SessionServer(cut) as server:
        driven.connect(server.url)
        driven.transmit(RetrieveResults("e1"))
        with pytest.raises(ConnectionLostError):
            driven.receive()


def test_a_connection_that_answers_no_ping_is_lost(drive: Callable[..., Driven]) -> None:
    driven = drive(SocketLimits(1_000, quiet_seconds=0.1, pong_seconds=0.1))
    with SessionServer(answers_pings=False) as server:
        driven.connect(server.url)
        with pytest.raises(ConnectionLostError, match=r"sent nothing for .* did not respond to a ping"):
            driven.receive(20.0)


def test_a_quiet_connection_that_answers_pings_stays(drive: Callable[..., Driven]) -> None:
    driven = drive(SocketLimits(1_000, quiet_seconds=0.05, pong_seconds=5.0))
    with SessionServer() as server:
        driven.connect(server.url)
        while server.pings < 2:
            assert driven.receive(0.05) is None
        driven.transmit(CancelExecution("e1"))
        assert driven.receive() == StateUpdated("e1", "cancelled")


@pytest.mark.parametrize("limits", [ON_WORKER, IN_TRIGGERER])
def test_a_connection_is_pinged_as_often_as_by_the_vendors_client(limits: SocketLimits) -> None:
    assert (limits.quiet_seconds, limits.pong_seconds) == (20.0, 20.0)


def test_a_large_message_is_a_sign_of_life_while_it_comes(drive: Callable[..., Driven]) -> None:
    """The response to a ping has to wait until the message is complete."""
    whole = result("e1", b"x" * 100_000)

    async def send(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        write(sock, frame_header(len(whole)))
        for start in range(0, len(whole), 2_000):
            write(sock, whole[start : start + 2_000])
            await asyncio.sleep(0.05)

    driven = drive(SocketLimits(1_000_000, quiet_seconds=0.5, pong_seconds=0.5))
    with SessionServer(send) as server:
        driven.connect(server.url)
        driven.transmit(RetrieveResults("e1"))
        message = driven.receive(60.0)
        assert isinstance(message, ExecutionResult)
        assert driven.receive(0.0) is None


# A refused connection


def refusing(status: int, body: Any = None, **headers: str) -> Callable[[web.Request], web.StreamResponse]:
    def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return refuse


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (200, UnreadableResponseError, True),
        (302, BadRequestError, False),
        (403, PermissionDeniedError, False),
        (503, ServerError, True),
    ],
)
def test_a_refused_upgrade_error(driven: Driven, status: int, kind: type[WherobotsApiError], transient: bool) -> None:
    body = {"errors": [{"code": "REFUSED", "message": f"not with {KEY}"}], "requestId": "req-7"}
    headers = {"Location": "/elsewhere", "Retry-After": "7"}
    with SessionServer(refuse=refusing(status, body, **headers)) as server:
        error = refusal_of(driven, server.url)
        assert type(error) is kind
        assert error.transient is transient
        assert f"{status}" in str(error)
        if status >= 400:
            assert "REFUSED: not with *** [request id: req-7]" in str(error)
            assert error.retry_after == 7.0
        assert len(server.requests) == 1


def test_a_refused_key_is_read_again_and_the_new_one_is_sent(driven: Driven) -> None:
    new = Endpoint("https://api.example.com", "new-key-1")
    driven.endpoints = [new]

    def refuse(request: web.Request) -> web.StreamResponse | None:
        return None if request.headers["X-API-Key"] == "new-key-1" else web.Response(status=401)

    with SessionServer(refuse=refuse) as server:
        driven.run(Io.connect, server.url)
        driven.transmit(CancelExecution("e1"))
        assert driven.receive() == StateUpdated("e1", "cancelled")


@pytest.mark.parametrize(
    "handler",
    [
        answering(),
        resetting(),
        silent,
        answering(b"220 mail.example.com ESMTP\r\n\r\n"),
        answering(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        answering(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: wrong\r\n\r\n"
        ),
    ],
    ids=["closed", "reset", "silent", "garbage", "no upgrade", "wrong challenge"],
)
def test_what_is_no_websocket_is_transient(driven: Driven, handler: Any) -> None:
    with Wire(handler) as wire:
        error = refusal_of(driven, f"ws://127.0.0.1:{wire.port}/ws/1.0.0", 1.0)
        assert error.transient
    assert not wire.has_waited_in_vain


def test_what_cannot_be_reached_was_not_sent(driven: Driven) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert type(refusal_of(driven, f"ws://127.0.0.1:{held.getsockname()[1]}/")) is NotSentError
    with full_listener() as port:
        assert type(refusal_of(driven, f"ws://127.0.0.1:{port}/", 0.5)) is NotSentError
    assert type(refusal_of(driven, "wss://no-such-host.invalid/1.0.0")) is NotSentError


def test_an_address_that_cannot_be_used_is_a_typed_error(driven: Driven) -> None:
    for url in ("ws://127.0.0.1:99999/", "ws:///", "wss://[::1/"):
        with pytest.raises((WherobotsApiError, ValueError)):
            driven.connect(url)


def test_an_untrusted_certificate_is_permanent(driven: Driven, certificate: tuple[Path, Path]) -> None:
    with SessionServer(context=server_context(certificate)) as server:
        assert type(refusal_of(driven, server.url)) is UntrustedServerError
        assert server.requests == []


def test_a_certificate_that_the_environment_names_is_trusted(
    driven: Driven, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with SessionServer(context=server_context(certificate)) as server:
        driven.connect(server.url)
        driven.transmit(CancelExecution("e1"))
        assert driven.receive() == StateUpdated("e1", "cancelled")


def test_a_proxy_is_asked_for_a_tunnel_without_the_key(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    at_proxy: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        at_proxy.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with Wire(handle) as wire:
        monkeypatch.setenv("HTTPS_PROXY", f"http://proxy-user:proxy-pass@127.0.0.1:{wire.port}")
        error = refusal_of(driven, "wss://compute.example.com/ws/1.0.0")
        assert type(error) is NotSentError
        assert f"through the proxy http://127.0.0.1:{wire.port}: the proxy refused the connection: 407" in str(error)
        assert "proxy-pass" not in str(error)
    assert at_proxy[0].startswith(b"CONNECT compute.example.com:443 HTTP/1.")
    assert KEY.encode() not in at_proxy[0]


# Stopping


def started(server: SessionServer) -> Driven:
    driven = Driven("sync", ENDPOINT)
    driven.connect(server.url)
    return driven


def test_a_signal_handler_ends_what_the_main_thread_waits_for() -> None:
    """Its cancel has a connection of its own."""
    with SessionServer() as server:
        driven = started(server)
        with signal_when(server.kinds, lambda *_: driven.sync.stop()), pytest.raises(FlowStoppedError):
            driven.run(execute, Statement("e1", "SLEEP"), options(server))
        driven.close()
    assert server.kinds() == ["execute_sql"]


def test_a_signal_handler_that_raises_ends_the_flow_and_the_connection_can_still_cancel() -> None:
    with SessionServer() as server:
        driven = started(server)

        def on_signal(*_: object) -> None:
            raise KeyboardInterrupt

        with signal_when(server.kinds, on_signal), pytest.raises(KeyboardInterrupt):
            driven.run(execute, Statement("e1", "SLEEP"), options(server))
        assert driven.run(last_word_after_cancel, "e1", has_sent=True)
        driven.close()
    assert server.kinds() == ["execute_sql", "cancel"]


def test_another_thread_cancels_what_this_one_waits_for() -> None:
    with SessionServer() as server:
        driven = started(server)

        def cancel_it() -> None:
            wait_for(lambda: server.kinds() != [])
            driven.sync.run(lambda io: io.transmit(CancelExecution("e1")))

        other = threading.Thread(target=cancel_it)
        other.start()
        outcome = driven.run(execute, Statement("e1", "SLEEP"), options(server))
        other.join()
        driven.close()
    assert outcome.state is StatementState.CANCELLED


def test_after_a_stop_nothing_is_executed_and_no_flow_goes_on() -> None:
    with SessionServer() as server:
        driven = started(server)
        driven.sync.stop()
        with pytest.raises(FlowStoppedError):
            driven.run(execute, Statement("e1", "SELECT"), options(server))

        async def goes_on(io: Io) -> None:
            await io.transmit(CancelExecution("e0"))
            driven.sync.stop()
            await io.receive(30.0)

        driven.sync.stopped = False
        with pytest.raises(FlowStoppedError):
            driven.run(goes_on)
        driven.close()
    assert server.kinds() == ["cancel"]


def test_a_task_of_the_event_loop_that_is_cancelled_can_still_cancel() -> None:
    with SessionServer() as server:
        driven = Driven("async", ENDPOINT)

        async def main() -> bool:
            await driven.asynchronous.connect_once(server.url)
            following = asyncio.create_task(execute(driven.asynchronous, Statement("e1", "SLEEP"), options(server)))
            await asyncio.sleep(0.3)
            following.cancel()
            with pytest.raises(asyncio.CancelledError):
                await following
            return await last_word_after_cancel(driven.asynchronous, "e1", has_sent=True) is not None

        assert driven.loop.run_until_complete(main())
        driven.close()
    assert server.kinds() == ["execute_sql", "cancel"]


def test_many_messages_give_the_event_loop_back_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "SLICE_SECONDS", -1.0)

    async def flood(sock: web.WebSocketResponse, message: dict[str, Any]) -> None:
        for _ in range(1_000):
            await sock.send_str(state("other", "running"))
        await sock.send_str(state("e1", "succeeded"))

    with SessionServer(flood) as server:
        driven = Driven("async", ENDPOINT)

        async def main() -> int:
            turns = 0
            statement = Statement("e1", "DROP", wants_result=False)
            await driven.asynchronous.connect_once(server.url)
            following = asyncio.create_task(execute(driven.asynchronous, statement, options(server)))
            while not following.done():
                await asyncio.sleep(0)
                turns += 1
            assert following.result().state is StatementState.SUCCEEDED
            return turns

        assert driven.loop.run_until_complete(main()) >= 1_000
        driven.close()


def test_the_thread_is_there_only_while_it_is_needed() -> None:
    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "wherobots-sql-session"]

    driven = Driven("sync", ENDPOINT)
    driven.run(lambda io: io.disconnect())
    assert threads() == []
    with SessionServer() as server:
        driven.connect(server.url)
        assert threads() == ["wherobots-sql-session"]
        driven.close()
        assert threads() == []


def test_a_thread_that_cannot_be_started_is_the_error_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may allow no more threads. A signal handler may raise there, too."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    driven = Driven("sync", ENDPOINT)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                driven.connect("ws://127.0.0.1:9/")
    finally:
        driven.close()


def test_a_thread_that_hangs_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "SLACK_SECONDS", 0.2)
    monkeypatch.setattr(websocket, "WRITE_SECONDS", 0.0)
    with SessionServer() as server:
        driven = started(server)
        assert driven.sync._socket is not None
        assert driven.sync._socket._loop is not None
        goes_on = threading.Event()
        driven.sync._socket._loop.call_soon_threadsafe(goes_on.wait)
        with pytest.raises(ConnectionLostError, match="does not respond"):
            driven.transmit(CancelExecution("e1"))
        goes_on.set()
        driven.close()
