"""A local server in a thread of the calling process, for tests."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from pathlib import Path
from typing import Any, Self

from wherobots_local.control.client import ControlClient
from wherobots_local.http.listener import Listener, bound_socket, url_of
from wherobots_local.settings import ServerSettings, SettingsError

_START_SECONDS = 30.0
_CHECK_SECONDS = 0.1


class LocalServer:
    """A local server that runs for the duration of its ``with`` block. The end of the block ends its runs too.

    .. code-block:: python

        with LocalServer(root=tmp_path, api_key="local") as server:
            requests.get(f"{server.url}/runs", headers={"X-API-Key": server.api_key})

    Its arguments are those of :class:`~wherobots_local.settings.ServerSettings`: ``root``, and by name
    ``api_key``, ``host``, ``port``, ``certfile``, ``keyfile``, ``allow_remote``, ``host_names``, ``max_parallel_runs``,
    ``passed_environment``, ``like_the_service``, ``behaviour``, ``keep_runs``, ``keep_days``, ``max_log_bytes`` and
    ``init``.

    :raises SettingsError: for a setting that breaks its rule; the message names it, its value and the rule.
    """

    def __init__(self, root: str | os.PathLike[str], **settings: Any) -> None:
        self._settings = ServerSettings(root, **settings)
        self._listening = threading.Event()
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._refusal: SettingsError | None = None
        self._url = ""
        self._port = self._settings.port

    @property
    def url(self) -> str:
        """Address of the server, such as ``http://127.0.0.1:40123``; empty until it has started."""
        return self._url

    @property
    def port(self) -> int:
        """The port the server listens on. Where the setting is 0, it is known once the server has started."""
        return self._port

    @property
    def api_key(self) -> str:
        """The key that clients must send."""
        return self._settings.api_key.value

    @property
    def root(self) -> Path:
        """Folder behind ``s3://``."""
        return self._settings.root

    @property
    def airflow_connection(self) -> str:
        """The connection as JSON, for an environment variable of Airflow such as ``AIRFLOW_CONN_WHEROBOTS_DEFAULT``."""
        return json.dumps({"conn_type": "wherobots", "host": self.url, "password": self.api_key})

    @property
    def control(self) -> ControlClient:
        """A client of the control surface."""
        return ControlClient(self.url, self.api_key, certificate=self._settings.certfile)

    def start(self) -> Self:
        """Start the server and wait until it responds.

        :raises SettingsError: if the port, the certificate or a statement of ``init`` cannot be used.
        :raises RuntimeError: if it does not respond within 30 seconds.
        """
        bound = bound_socket(self._settings)
        try:
            self._listener = Listener(self._settings, bound, self._listening.set)
        except BaseException:
            bound.close()
            raise
        self._url = url_of(self._settings, bound)
        self._port = bound.getsockname()[1]
        self._listening.clear()
        self._thread = threading.Thread(
            target=self._serve, args=(self._listener,), name="wherobots-local-server", daemon=True
        )
        self._thread.start()
        # The statements of ``init`` take as long as they take.
        deadline = math.inf if self._settings.init else time.monotonic() + _START_SECONDS
        while not self._listening.wait(_CHECK_SECONDS):
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise self._refusal or RuntimeError(f"the local server on {self._url} did not start; see its log")
        return self

    def _serve(self, listener: Listener) -> None:
        self._refusal = None
        try:
            listener.serve_until_stopped()
        except SettingsError as error:
            self._refusal = error

    def stop(self) -> None:
        """End all runs and stop the server. Does nothing if it is stopped already."""
        if self._listener is not None and self._thread is not None:
            self._listener.should_exit = True
            self._thread.join()
        self._listener = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
