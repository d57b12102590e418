"""The command line: ``wherobots-local``."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wherobots_local import __version__
from wherobots_local.housekeeping import DEFAULT_KEEP_DAYS, DEFAULT_KEEP_RUNS
from wherobots_local.http.listener import Listener, bound_socket, url_of
from wherobots_local.http.protocol import raise_soft_limit
from wherobots_local.runs.log import DEFAULT_MAX_BYTES
from wherobots_local.security import API_KEY_VARIABLE, is_every_address, made_certificate
from wherobots_local.settings import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    ServerSettings,
    SettingsError,
    checked_host_names,
    default_parallel_runs,
)
from wherobots_local.terminal import EscapingFormatter, RunReport, escaped, print_lines

_UNENCRYPTED = (
    "*" * 100,
    "WARNING: --allow-remote without TLS. The API key and all data cross the network unencrypted. Anyone who",
    "reads the key can run code on this machine as your user. Use --make-certificate, or --certfile and --keyfile.",
    "*" * 100,
)
_OPTIONS = {"host_names": "host-name"}
"""Settings whose option has another name."""
_USAGE_ERROR = 2
_INTERRUPTED = 130
_TERMINATED = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP.

    Returns the exit code: 130 after SIGINT, 2 for a wrong setting. After SIGTERM and SIGHUP it raises
    ``SystemExit(143)``.
    """
    options = vars(_parser().parse_args(arguments))
    names = tuple(options)
    ready_file: Path | None = options.pop("ready_file")
    behaviour_file: Path | None = options.pop("behaviour")
    certificate_folder: Path | None = options.pop("make_certificate")
    _log_to_stderr()
    # uvicorn stops on the signal and raises it again; its default action would leave the ready file behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    # Closing the terminal stops the server too, but not under nohup.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    # Removed from the environment, so that no child process inherits it.
    from_environment = os.environ.pop(API_KEY_VARIABLE, None)
    if options["api_key"] is None:
        options["api_key"] = from_environment or None
    try:
        if certificate_folder is not None:
            options |= _made_certificate(certificate_folder, options)
        settings = ServerSettings(**options, behaviour=_switches(behaviour_file))
        raise_soft_limit(settings.max_parallel_runs)
        _check_ready_file(ready_file)
        with (
            removed_around(ready_file),
            RunReport(sys.stdout) as report,
            bound_socket(settings) as bound,
        ):
            _serve(settings, bound, ready_file, report)
    except SettingsError as error:
        print(f"error: {_with_option(str(error), names)}", file=sys.stderr)
        return _USAGE_ERROR
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _with_option(message: str, names: Sequence[str]) -> str:
    """Replace the setting at the beginning of a message by its option."""
    name, _, rest = message.partition(" ")
    return f"--{_OPTIONS.get(name, name.replace('_', '-'))} {rest}" if name in names else message


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(EscapingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _check_ready_file(path: Path | None) -> None:
    if path is not None and (path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK)):
        raise SettingsError(
            f"--ready-file is {str(path)!r}, but must be a file in a folder that the server can write to"
        )


def _switches(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        switches = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"--behaviour is {str(file)!r}, which cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(f"--behaviour is {str(file)!r}, which is not JSON: {error}") from None
    if not isinstance(switches, dict):
        raise SettingsError(f"--behaviour is {str(file)!r}, which must hold a JSON object of switches")
    return switches


def _made_certificate(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    if options["certfile"] is not None or options["keyfile"] is not None:
        raise SettingsError("--make-certificate cannot be combined with --certfile or --keyfile")
    names = checked_host_names(options["host_names"])
    try:
        made = made_certificate(folder, [options["host"], *names])
    except (OSError, ValueError) as error:
        raise SettingsError(f"--make-certificate is {str(folder)!r}, but no certificate can be made: {error}") from None
    return {"certfile": made.certfile, "keyfile": made.keyfile}


def _serve(settings: ServerSettings, bound: socket.socket, ready_file: Path | None, report: RunReport) -> None:
    url = url_of(settings, bound)
    if settings.allow_remote and not settings.tls:
        print_lines(sys.stderr, *_UNENCRYPTED)

    random_key = settings.api_key.value if settings.api_key.generated else None
    needs = f", for a shell in which {API_KEY_VARIABLE} is the key" if random_key is None else ""

    def announce() -> None:
        report.show(
            f"Wherobots local server: {url}",
            f"Root of s3://: {escaped(str(settings.root))}",
            *([] if random_key is None else [f"API key: {random_key}"]),
            f"Airflow connection{needs}: {_connection(settings, bound.getsockname()[1])}",
            f"Runs in a browser: {url}/",
            "Ctrl-C stops the server and ends its runs.",
        )
        if ready_file is not None:
            generated = {} if random_key is None else {"api_key": random_key}
            content = {"url": url, "port": bound.getsockname()[1], "pid": os.getpid(), "root": str(settings.root)}
            write_ready_file(ready_file, {**content, **generated})

    Listener(settings, bound, announce, report.changed).serve_until_stopped()


def _connection(settings: ServerSettings, port: int) -> str:
    """Return the Airflow connection as a line for a shell. A given key is not shown: the shell fills it in."""
    own_name = "localhost" if is_every_address(settings.host) else settings.host
    name = settings.host_names[0] if settings.host_names else own_name
    host = f"{'https' if settings.tls else 'http'}://{f'[{name}]' if ':' in name else name}:{port}"
    key = settings.api_key.value if settings.api_key.generated else f"'\"${API_KEY_VARIABLE}\"'"
    connection = json.dumps({"conn_type": "wherobots", "host": host, "password": "…"}, ensure_ascii=False)
    return f"export AIRFLOW_CONN_WHEROBOTS_DEFAULT='{connection.replace('…', key)}'"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wherobots-local",
        description="A local Wherobots: serves its API for runs, storage and SQL, and runs the jobs on this machine.",
    )
    # Most options are arguments of ServerSettings with the same name.
    add = parser.add_argument
    add("--version", action="version", version=f"%(prog)s {__version__}")
    add("--root", required=True, help="folder behind s3://: s3://bucket/key is the file ROOT/bucket/key")
    add("--host", default=DEFAULT_HOST, help="address to listen on (default: %(default)s)")
    add("--port", type=int, default=DEFAULT_PORT, help="port to listen on; 0 takes a free one (default: %(default)s)")
    add(
        "--api-key",
        help=f"key that clients must send (default: ${API_KEY_VARIABLE}, else a random key, printed at the start)",
    )
    add("--certfile", type=Path, help="PEM file of the certificate, for https")
    add("--keyfile", type=Path, help="PEM file of its private key")
    add(
        "--make-certificate",
        type=Path,
        metavar="DIR",
        help="https with a certificate that is made in this folder, for --host and each --host-name",
    )
    add("--allow-remote", action="store_true", help="let other machines connect; with the key they can run code here")
    add(
        "--host-name",
        dest="host_names",
        action="append",
        default=[],
        metavar="NAME",
        help="additional name accepted in the Host header; repeatable",
    )
    add(
        "--max-parallel-runs",
        type=int,
        help=f"how many runs have a process at the same time (default: {default_parallel_runs()}, from the CPUs)",
    )
    add(
        "--pass-env",
        dest="passed_environment",
        action="append",
        default=[],
        metavar="NAME",
        help="environment variable passed on to runs; repeatable",
    )
    add(
        "--like-the-service",
        action="store_true",
        help="start with delays and missing values that the service has, or may have",
    )
    add(
        "--behaviour",
        type=Path,
        metavar="FILE",
        help="JSON file with the switches of the control surface to start with",
    )
    add("--keep-runs", type=int, default=DEFAULT_KEEP_RUNS, help="how many ended runs are kept (default: %(default)s)")
    add(
        "--keep-days",
        type=float,
        default=DEFAULT_KEEP_DAYS,
        help="how many days ended runs, unused virtual environments and storage moved by a reset are kept"
        " (default: %(default)g)",
    )
    add(
        "--max-log-bytes",
        type=int,
        default=DEFAULT_MAX_BYTES,
        help="the most bytes of a run's log; further lines are discarded (default: %(default)s)",
    )
    add(
        "--init",
        type=Path,
        metavar="FILE",
        help="SQL statements, separated by semicolons, to execute before the server listens and after each reset",
    )
    add("--ready-file", type=Path, help="JSON file, readable by its owner only, to write when the server listens")
    return parser


def write_ready_file(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file atomically and readable only for its owner: it can hold a key."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def removed_around(path: Path | None) -> Iterator[None]:
    """Remove a file now and at the end, so that it never names a server that has ended."""
    if path is None:
        yield
        return
    path.unlink(missing_ok=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
