"""The settings of the local server, shared by the command line and :class:`LocalServer`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from wherobots_local.api.errors import ApiError
from wherobots_local.control.faults import LIKE_THE_SERVICE, Behaviour, patched
from wherobots_local.housekeeping import DEFAULT_KEEP_DAYS, DEFAULT_KEEP_RUNS
from wherobots_local.runs.log import DEFAULT_MAX_BYTES
from wherobots_local.security import ApiKey, is_host_name, resolves_to_loopback

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
"""The port of the command line. From Python the default is a free port."""


_Number = TypeVar("_Number", int, float)


class SettingsError(ValueError):
    """A setting that the server cannot start with."""


def default_parallel_runs() -> int:
    return max(4, os.cpu_count() or 1)


class ServerSettings:
    """The settings of a server, checked. The root folder is made if it is missing.

    :param root: folder behind ``s3://``: ``s3://bucket/key`` is the file ``root/bucket/key``.
    :param api_key: key that clients must send; default None, a random one.
    :param host: address to listen on; default 127.0.0.1.
    :param port: port to listen on; default 0, a free one.
    :param certfile: PEM file of the certificate, for https; default None, plain http.
    :param keyfile: PEM file of its private key; default None.
    :param allow_remote: whether ``host`` may be an address that other machines can reach; default False.
    :param host_names: further names that a ``Host`` header may hold; default none.
    :param max_parallel_runs: how many runs have a process at the same time; default None, the number of CPUs but at
        least four.
    :param passed_environment: names of environment variables that runs see besides the documented ones; default none.
    :param like_the_service: whether the server starts with delays, late lines and missing values that the service has,
        or may have; default False.
    :param behaviour: the switches to start with; they override those of ``like_the_service``. Default none. See the
        table of switches in ``docs/api.md``.
    :param keep_runs: how many ended runs are kept, the newest; default 200.
    :param keep_days: how many days ended runs, unused virtual environments and storage that a reset moved are kept;
        default 14.
    :param max_log_bytes: the most bytes of a run's log; further lines are discarded. Default 256 MiB.
    :param init: file with SQL statements, separated by semicolons, that are executed before the server listens, and
        after each reset; default None.
    :raises SettingsError: for a setting that breaks its rule; the message names it, its value and the rule.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        api_key: str | None = None,
        host: str = DEFAULT_HOST,
        port: int = 0,
        certfile: str | os.PathLike[str] | None = None,
        keyfile: str | os.PathLike[str] | None = None,
        allow_remote: bool = False,
        host_names: Sequence[str] = (),
        max_parallel_runs: int | None = None,
        passed_environment: Sequence[str] = (),
        like_the_service: bool = False,
        behaviour: Mapping[str, Any] | None = None,
        keep_runs: int = DEFAULT_KEEP_RUNS,
        keep_days: float = DEFAULT_KEEP_DAYS,
        max_log_bytes: int = DEFAULT_MAX_BYTES,
        init: str | os.PathLike[str] | None = None,
    ) -> None:
        if not 0 <= port <= 65535:
            raise SettingsError(f"port is {port}, but must be from 0 to 65535")
        self.port = port
        self.keep_runs = _at_least(0, "keep_runs", keep_runs)
        self.keep_days = _at_least(0, "keep_days", keep_days)
        self.max_log_bytes = _at_least(1, "max_log_bytes", max_log_bytes)
        self.behaviour = _checked_behaviour({**(LIKE_THE_SERVICE if like_the_service else {}), **(behaviour or {})})
        parallel = default_parallel_runs() if max_parallel_runs is None else max_parallel_runs
        self.max_parallel_runs = _at_least(1, "max_parallel_runs", parallel)
        if (certfile is None) != (keyfile is None):
            missing = "certfile" if certfile is None else "keyfile"
            raise SettingsError(f"{missing} is missing: certfile and keyfile must be given together")
        self.certfile = _existing_file("certfile", certfile)
        self.keyfile = _existing_file("keyfile", keyfile)
        self.init = _existing_file("init", init)
        self.host = _checked_host(host, allow_remote)
        self.allow_remote = allow_remote
        self.host_names = checked_host_names(host_names)
        self.passed_environment = tuple(passed_environment)
        self.api_key = _checked_key(api_key)
        # Last: a wrong setting leaves no folder behind.
        self.root = _made_root(root)

    @property
    def tls(self) -> bool:
        """Whether the server speaks https."""
        return self.certfile is not None


def checked_host_names(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if not is_host_name(name):
            raise SettingsError(
                f"host_names has {name!r}, but must have host names or IP addresses, without port and in ASCII"
            )
    return tuple(names)


def _checked_behaviour(switches: Mapping[str, Any]) -> Behaviour:
    try:
        return patched(Behaviour(), switches)
    except ApiError as error:
        raise SettingsError(f"behaviour cannot be used: {error}") from None


def _at_least(least: int, name: str, number: _Number) -> _Number:
    if number < least or not math.isfinite(number):
        raise SettingsError(f"{name} is {number}, but must be {least} or more")
    return number


def _checked_host(host: str, allow_remote: bool) -> str:
    if not host:
        raise SettingsError("host is empty, but must be an address of this machine, such as 127.0.0.1")
    try:
        is_local = resolves_to_loopback(host)
    except OSError as error:
        raise SettingsError(f"host is {host!r}, which cannot be resolved: {error.strerror}") from None
    if not is_local and not allow_remote:
        raise SettingsError(
            f"host is {host!r}, which other machines can reach. Anyone with the key can run code here, so this needs"
            " --allow-remote (allow_remote=True)"
        )
    return host


def _checked_key(value: str | None) -> ApiKey:
    try:
        return ApiKey(value)
    except ValueError as error:
        raise SettingsError(f"api_key cannot be used: {error}") from None


def _made_root(folder: str | os.PathLike[str]) -> Path:
    if not os.fspath(folder):
        raise SettingsError("root is empty, but must be the path of a folder")
    root = Path(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"root is {str(root)!r}, which is not a folder and cannot be made: {error.strerror}"
        ) from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise SettingsError(f"root is {str(root)!r}, but must be a folder that the server can write to")
    return root.resolve()


def _existing_file(argument: str, path: str | os.PathLike[str] | None) -> Path | None:
    if path is None:
        return None
    if not os.path.isfile(path):
        raise SettingsError(f"{argument} is {os.fspath(path)!r}, but there is no such file")
    return Path(path)
