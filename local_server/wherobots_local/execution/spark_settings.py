"""The Spark settings that the server gives each run. The user's own and those of the run override them.

With Hadoop's, Spark reads and writes ``s3://`` addresses in the server's folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from wherobots_local.storage import StorageError, check_inside, is_bucket

LOOPBACK = "127.0.0.1"
"""Where Spark listens: its ports know no key, and a machine's own name may not resolve."""

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
"""How Spark logs if the user's configuration does not say."""


def server_settings(root: Path, folder: Path, temporary: Path) -> dict[str, str]:
    """Return the settings of the server. ``temporary`` gets the JVM's temporary files, also those of shuffles."""
    # At a comma Spark would read two folders.
    options = {} if "," in str(temporary) else {_JAVA_OPTIONS: f"-Djava.io.tmpdir={_quoted(str(temporary))}"}
    return {
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        # A progress bar is no line of a log.
        "spark.ui.showConsoleProgress": "false",
        # Spark's default is the same folder, but wrong where its path has a space or another such character.
        "spark.sql.warehouse.dir": str(folder / "spark-warehouse"),
        **options,
        **storage_settings(root),
    }


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def storage_settings(root: Path) -> dict[str, str]:
    """Make each bucket that there is now a mount point of Hadoop, for the schemes ``s3`` and ``s3a``."""
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
    """Leave out ``data.v2`` if there is ``data``: Hadoop reads its setting as a wrong one of ``data``."""
    found = sorted(names)
    return [name for name in found if not any(name.startswith(f"{other}.") for other in found)]
