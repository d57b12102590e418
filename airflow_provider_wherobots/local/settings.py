"""What the local server is told when it starts, checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_wherobots.local.security import ApiKey, is_loopback

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765


class SettingsError(ValueError):
    """A setting that the server cannot start with."""


def default_parallel_runs() -> int:
    """Return how many runs go on at the same time by default: one per CPU, at least four."""
    return max(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Settings:
    """The settings of a server. Made by :func:`checked_settings`."""

    root: Path
    api_key: ApiKey
    host: str
    port: int
    certfile: Path | None
    keyfile: Path | None
    allow_remote: bool
    host_names: tuple[str, ...]
    max_parallel_runs: int
    passed_environment: tuple[str, ...]

    @property
    def tls(self) -> bool:
        """Whether the server speaks https."""
        return self.certfile is not None


def checked_settings(
    root: str | os.PathLike[str],
    *,
    api_key: str | None = None,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    certfile: str | os.PathLike[str] | None = None,
    keyfile: str | os.PathLike[str] | None = None,
    allow_remote: bool = False,
    host_names: Sequence[str] = (),
    max_parallel_runs: int | None = None,
    passed_environment: Sequence[str] = (),
) -> Settings:
    """Check the settings and make the root folder where it is missing.

    :param root: Folder that ``s3://`` stands for.
    :param api_key: The key that clients must send. ``None``: a random one. Default: ``None``.
    :param host: Address to listen on. Default: 127.0.0.1.
    :param port: Port to listen on; 0 takes a free one. Default: 8765.
    :param certfile: PEM file of the certificate, for https. Default: plain http.
    :param keyfile: PEM file of its private key. Default: ``None``.
    :param allow_remote: Whether other machines may connect. Default: false.
    :param host_names: Further names that a ``Host`` header may hold. Default: none.
    :param max_parallel_runs: How many runs go on at the same time. Default: the number of CPUs, at least four.
    :param passed_environment: Names of environment variables that runs see besides the documented ones. Default: none.
    :returns: The settings.
    :raises SettingsError: With the argument, its value and the rule.
    """
    if not 0 <= port <= 65535:
        raise SettingsError(f"port is {port}, but must be from 0 to 65535")
    parallel = default_parallel_runs() if max_parallel_runs is None else max_parallel_runs
    if parallel < 1:
        raise SettingsError(f"max_parallel_runs is {parallel}, but must be 1 or more")
    if (certfile is None) != (keyfile is None):
        raise SettingsError("certfile and keyfile must be given together; only one of them was")
    _check_host(host, allow_remote)
    try:
        key = ApiKey(api_key)
    except ValueError as error:
        raise SettingsError(f"api_key is not usable: {error}") from None
    return Settings(
        root=_root(Path(root)),
        api_key=key,
        host=host,
        port=port,
        certfile=_existing_file("certfile", certfile),
        keyfile=_existing_file("keyfile", keyfile),
        allow_remote=allow_remote,
        host_names=tuple(host_names),
        max_parallel_runs=parallel,
        passed_environment=tuple(passed_environment),
    )


def _check_host(host: str, allow_remote: bool) -> None:
    if not host:
        raise SettingsError("host is empty, but must be an address of this machine, such as 127.0.0.1")
    try:
        loopback = is_loopback(host)
    except OSError as error:
        raise SettingsError(f"host is {host!r}, which cannot be resolved: {error.strerror}") from None
    if not loopback and not allow_remote:
        raise SettingsError(
            f"host is {host!r}, which other machines can reach; whoever has the key can run code here, so that must be"
            " allowed with --allow-remote (allow_remote=True)"
        )


def _root(root: Path) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"root is {str(root)!r}, which is no folder and cannot be made: {error.strerror}") from None
    if not os.access(root, os.W_OK | os.X_OK):
        raise SettingsError(f"root is {str(root)!r}, but must be a folder that the server can write to")
    return root.resolve()


def _existing_file(argument: str, path: str | os.PathLike[str] | None) -> Path | None:
    if path is None:
        return None
    if not os.path.isfile(path):
        raise SettingsError(f"{argument} is {os.fspath(path)!r}, but there is no such file")
    return Path(path)
