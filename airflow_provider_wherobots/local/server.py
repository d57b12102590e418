"""The local server in a thread of the calling process, for tests."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from airflow_provider_wherobots.local.control.client import ControlClient
from airflow_provider_wherobots.local.http.listener import Listener, bound_socket, url_of
from airflow_provider_wherobots.local.settings import DEFAULT_HOST, checked_settings

_START_SECONDS = 30.0
_CHECK_SECONDS = 0.1


class LocalServer:
    """A local server that runs while its ``with`` block does; the end of the block ends its runs too.

    .. code-block:: python

        with LocalServer(root=tmp_path, api_key="local") as server:
            requests.get(f"{server.url}/runs", headers={"X-API-Key": server.api_key})

    :param root: Folder that ``s3://`` stands for; made where it is missing.
    :param api_key: The key that clients must send. ``None``: a random one. Default: ``None``.
    :param port: Port to listen on; 0 takes a free one. Default: 0.
    :param host: Address to listen on. Default: 127.0.0.1.
    :param certfile: PEM file of the certificate, for https. Default: plain http.
    :param keyfile: PEM file of its private key. Default: ``None``.
    :param allow_remote: Whether other machines may connect. Default: false.
    :param host_names: Further names that a ``Host`` header may hold. Default: none.
    :param max_parallel_runs: How many runs go on at the same time. Default: the number of CPUs, at least four.
    :param passed_environment: Names of environment variables that runs see besides the documented ones. Default: none.
    :raises SettingsError: With the argument, its value and the rule.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        api_key: str | None = None,
        port: int = 0,
        host: str = DEFAULT_HOST,
        certfile: str | os.PathLike[str] | None = None,
        keyfile: str | os.PathLike[str] | None = None,
        allow_remote: bool = False,
        host_names: Sequence[str] = (),
        max_parallel_runs: int | None = None,
        passed_environment: Sequence[str] = (),
    ) -> None:
        self._settings = checked_settings(
            root,
            api_key=api_key,
            host=host,
            port=port,
            certfile=certfile,
            keyfile=keyfile,
            allow_remote=allow_remote,
            host_names=host_names,
            max_parallel_runs=max_parallel_runs,
            passed_environment=passed_environment,
        )
        self._listening = threading.Event()
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._url = ""
        self._port = port

    @property
    def url(self) -> str:
        """Address of the server, such as ``http://127.0.0.1:40123``; known once it has started."""
        return self._url

    @property
    def port(self) -> int:
        """The port it listens on; the chosen one once it has started."""
        return self._port

    @property
    def api_key(self) -> str:
        """The key that clients must send now."""
        return self._settings.api_key.value

    @property
    def root(self) -> Path:
        """Folder that ``s3://`` stands for."""
        return self._settings.root

    @property
    def control(self) -> ControlClient:
        """A client of the control surface."""
        return ControlClient(self.url, self.api_key, certificate=self._settings.certfile)

    def start(self) -> LocalServer:
        """Start serving, and return once requests are answered.

        :raises SettingsError: If the port or the certificate cannot be used.
        :raises RuntimeError: If it does not answer within 30 s.
        """
        bound = bound_socket(self._settings)
        try:
            self._listener = Listener(self._settings, bound, self._listening.set)
        except BaseException:
            bound.close()
            raise
        self._url = url_of(self._settings, bound)
        self._port = bound.getsockname()[1]
        self._thread = threading.Thread(
            target=self._listener.serve_until_stopped, name="wherobots-local-server", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._listening.wait(_CHECK_SECONDS):
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the local server on {self._url} did not start; its log says why")
        return self

    def stop(self) -> None:
        """End all runs and stop serving; does nothing where that is done."""
        if self._listener is not None and self._thread is not None:
            self._listener.should_exit = True
            self._thread.join()
        self._listener = self._thread = None

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
