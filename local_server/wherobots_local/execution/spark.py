"""The Spark configuration of a run, and its Spark UI.

Settings are those of the server, then of the user, then of the run; the last one wins. With the server's settings for
Hadoop, Spark reads and writes ``s3://`` addresses in the server's folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http.client
import json
import os
import secrets
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from wherobots_local.storage import StorageError, check_inside, is_bucket

DEFAULTS_FILE = "spark-defaults.conf"
JARS = "spark.jars"
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
_KEY_ESCAPES = {**_ESCAPES, " ": "\\ ", ":": "\\:", "=": "\\=", "#": "\\#", "!": "\\!"}

LOOPBACK = "127.0.0.1"
"""Where Spark listens: its ports need no key, and the machine's own name may not resolve."""

_JAVA_OPTIONS = "spark.driver.defaultJavaOptions"
_HADOOP = "spark.hadoop.fs"
_SCHEMES = ("s3", "s3a")
_MOUNTS = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
_COMMITTERS = "org.apache.hadoop.mapreduce.lib.output.FileOutputCommitterFactory"
# Raw: without the hidden checksum files that Hadoop's other local file system writes. A scheme of its own, because
# Spark needs that other one for file:// addresses.
_FILES = "org.apache.hadoop.fs.RawLocalFileSystem"
_FILES_SCHEME = "wherobots-local"

LOG4J_FILE = "log4j2.properties"
LOG4J_PROPERTIES = """\
# Spark's own default, with the level INFO for PySpark too, as with spark-submit.
rootLogger.level = info
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.pyspark.name = org.apache.spark.api.python.PythonGatewayServer
logger.pyspark.level = info
"""
"""How Spark logs by default."""


def server_settings(root: Path, folder: Path, temporary: Path) -> dict[str, str]:
    """Return the server's settings. ``temporary`` is for the JVM's temporary files, including shuffles."""
    # Spark splits this option at a comma.
    quoted = str(temporary).replace("\\", "\\\\").replace('"', '\\"')
    options = {} if "," in quoted else {_JAVA_OPTIONS: f'-Djava.io.tmpdir="{quoted}"'}
    return {
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        # A progress bar does not belong in a log.
        "spark.ui.showConsoleProgress": "false",
        # Spark's default is the same folder, but wrong where its path has a space or another such character.
        "spark.sql.warehouse.dir": str(folder / "spark-warehouse"),
        **options,
        **storage_settings(root),
    }


def storage_settings(root: Path) -> dict[str, str]:
    """Make each existing bucket a mount point of Hadoop, for the schemes ``s3`` and ``s3a``."""
    settings = {f"{_HADOOP}.{scheme}.impl": _MOUNTS for scheme in _SCHEMES}
    settings[f"{_HADOOP}.{_FILES_SCHEME}.impl"] = _FILES
    # All files are local, and Hadoop fails if Spark requests the places of files at the top of a bucket.
    settings["spark.sql.sources.ignoreDataLocality"] = "true"
    # Hadoop's default for s3a is a class of hadoop-aws, which PySpark does not have.
    settings["spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a"] = _COMMITTERS
    base = root.resolve()
    for name in _mountable(bucket.name for bucket in root.iterdir() if _is_bucket_inside(base, bucket)):
        settings[f"{_HADOOP}.viewfs.mounttable.{name}.linkFallback"] = (
            f"{_FILES_SCHEME}://{quote(str((base / name).resolve()))}"
        )
    return settings


def _is_bucket_inside(base: Path, folder: Path) -> bool:
    if not is_bucket(folder.name) or not folder.is_dir():
        return False
    try:
        check_inside(base, folder.resolve(), folder.name)
    except StorageError:
        return False
    return True


def _mountable(names: Iterable[str]) -> list[str]:
    """Drop ``data.v2`` if there is ``data``: Hadoop reads its setting as a wrong setting of ``data``."""
    found = sorted(names)
    return [name for name in found if not any(name.startswith(f"{other}.") for other in found)]


def with_jars(settings: Mapping[str, str], jars: Iterable[Path]) -> dict[str, str]:
    """Append the run's JAR dependencies to ``spark.jars``."""
    names = [name for name in [settings.get(JARS, ""), *map(str, jars)] if name]
    return {**settings, JARS: ",".join(names)} if names else dict(settings)


def user_conf_folder(own: Mapping[str, str]) -> Path | None:
    """Return the user's configuration folder: ``SPARK_CONF_DIR``, else ``SPARK_HOME/conf``, if it exists."""
    named = own.get("SPARK_CONF_DIR") or (os.path.join(own["SPARK_HOME"], "conf") if own.get("SPARK_HOME") else None)
    return Path(named) if named and os.path.isdir(named) else None


def write_conf_folder(
    folder: Path, settings: Mapping[str, str], user_folder: Path | None, defaults: Mapping[str, str] | None = None
) -> None:
    """Write a configuration folder: a copy of the user's, with ``defaults`` before its settings and ``settings`` after
    them."""
    if user_folder is not None:
        shutil.copytree(user_folder, folder)
    else:
        folder.mkdir(parents=True)
    if not any(folder.glob("log4j2*")):
        (folder / LOG4J_FILE).write_text(LOG4J_PROPERTIES, encoding="utf-8")
    file = folder / DEFAULTS_FILE
    users = file.read_text(encoding="utf-8") if file.exists() else ""
    if users and not users.endswith("\n"):
        users += "\n"
    file.write_text(properties(defaults or {}) + users + properties(settings), encoding="utf-8")


def properties(settings: Mapping[str, str]) -> str:
    """Write settings in Java's format for properties files."""
    return "".join(f"{_escaped(key, _KEY_ESCAPES)}={_escaped_value(value)}\n" for key, value in settings.items())


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)


def _escaped_value(value: str) -> str:
    text = _escaped(value, _ESCAPES)
    return f"\\{text}" if text.startswith(" ") else text


PORT = "spark.ui.port"

# Below the ephemeral ports of common systems.
_PORTS = range(20_000, 32_000)
_ATTEMPTS = 100
_INTERVAL_SECONDS = 1.0
_CONNECT_SECONDS = 0.1
_RESPONSE_SECONDS = 2.0
_RESPONSE_BYTES = 64 * 1024


def free_port() -> int:
    """Return a free port; 0, for any, if none is found. If another program takes it first, Spark takes the next."""
    for _ in range(_ATTEMPTS):
        port = _PORTS[secrets.randbelow(len(_PORTS))]
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind((LOOPBACK, port))
            return port
    return 0


def ui_port(settings: Mapping[str, str], own: int) -> int:
    """Return the port of the UI, which ``sparkConfigs`` can set; 0 if it is unknown."""
    text = settings.get(PORT, str(own)).strip()
    port = int(text) if text.isascii() and text.isdigit() else 0
    return port if port < 2**16 else 0


@contextlib.asynccontextmanager
async def watching_ui(port: int, on_change: Callable[[str], None]) -> AsyncIterator[None]:
    """Report the address of a Spark UI when it responds, and ``""`` when it is gone, at the latest at the end."""
    task = asyncio.create_task(_watch(port, on_change)) if port else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait({task})


async def _watch(port: int, on_change: Callable[[str], None]) -> None:
    is_shown = False
    try:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            if is_shown and _refuses(port):
                is_shown = False
                on_change("")
            elif not is_shown and not _refuses(port) and await asyncio.to_thread(_has_application, port):
                is_shown = True
                on_change(f"http://{LOOPBACK}:{port}")
    finally:
        if is_shown:
            on_change("")


def _refuses(port: int) -> bool:
    """Return whether nothing listens. This is cheap: it happens every second for every run, also without Spark."""
    with socket.socket() as trial:
        trial.settimeout(_CONNECT_SECONDS)
        return trial.connect_ex((LOOPBACK, port)) == errno.ECONNREFUSED


def _has_application(port: int) -> bool:
    """Return whether Spark's own API responds. It does not while Spark starts."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_RESPONSE_SECONDS)
    try:
        connection.request("GET", "/api/v1/applications")
        response = connection.getresponse()
        return response.status == 200 and bool(json.loads(response.read(_RESPONSE_BYTES)))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
