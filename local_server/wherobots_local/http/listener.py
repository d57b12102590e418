"""Sets uvicorn up."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable

import uvicorn

from wherobots_local.http.app import make_app
from wherobots_local.http.protocol import LocalServerProtocol, SocketProtocol
from wherobots_local.runs.run import LocalRun
from wherobots_local.security import HostCheck
from wherobots_local.service import LocalService
from wherobots_local.settings import ServerSettings, SettingsError

_GRACEFUL_SHUTDOWN_SECONDS = 1
_KEEP_ALIVE_SECONDS = 60


def bound_socket(settings: ServerSettings) -> socket.socket:
    """Bind the port, so that its number is known before the server responds. The socket does not listen yet."""
    family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        reason = error.strerror or str(error)
        advice = "; choose another port, or 0 for a free one" if error.errno == errno.EADDRINUSE else ""
        raise SettingsError(
            f"port is {settings.port}, but the server cannot listen on it at {settings.host}: {reason}{advice}"
        ) from None
    return bound


def url_of(settings: ServerSettings, bound: socket.socket) -> str:
    """Return the server's address, such as ``http://127.0.0.1:8765``."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls else 'http'}://{host}:{bound.getsockname()[1]}"


class Listener(uvicorn.Server):
    """A uvicorn server that calls ``on_listening`` once, when it listens."""

    def __init__(
        self,
        settings: ServerSettings,
        bound: socket.socket,
        on_listening: Callable[[], None],
        on_change: Callable[[LocalRun], None] | None = None,
    ) -> None:
        self._bound = bound
        self._on_listening = on_listening
        hosts = HostCheck(
            settings.host, bound.getsockname()[1], remote=settings.allow_remote, names=settings.host_names
        )
        service = self._service = LocalService(settings, on_change)
        config = uvicorn.Config(
            make_app(service, hosts),
            loop="asyncio",
            http=LocalServerProtocol,
            ws=SocketProtocol,
            # Results are compressed already.
            ws_per_message_deflate=False,
            interface="asgi3",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            # As long as that of a load balancer. Clients keep connections longer than uvicorn's default of 5 s, so they
            # would sometimes send a request on a connection that is being closed.
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_SECONDS,
            ssl_certfile=settings.certfile,
            ssl_keyfile=settings.keyfile,
        )
        try:
            config.load()
        except OSError as error:
            # ssl.SSLError is one too.
            service.give_up()
            raise SettingsError(
                f"certfile {settings.certfile} or keyfile {settings.keyfile} cannot be used: {error.strerror or error}"
            ) from None
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await self._service.make_tables()
        except BaseException:
            self._service.give_up()
            raise
        await super().startup(sockets=sockets)
        if self.started:
            self._on_listening()

    def serve_until_stopped(self) -> None:
        """Serve until ``should_exit`` is set or, on the main thread, SIGINT or SIGTERM arrives. The signal is raised
        again at the end, for the earlier handler."""
        with contextlib.closing(self._bound):
            self.run(sockets=[self._bound])
