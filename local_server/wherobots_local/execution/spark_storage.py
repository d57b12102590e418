"""Hadoop settings with which Spark reads and writes ``s3://`` addresses in the server's folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from wherobots_local.storage import StorageError, check_inside, is_bucket

_HADOOP = "spark.hadoop.fs"
_SCHEMES = ("s3", "s3a")
_MOUNTS = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
_COMMITTERS = "org.apache.hadoop.mapreduce.lib.output.FileOutputCommitterFactory"
# Raw: without the hidden checksum files that Hadoop's other local file system writes. A scheme of its own, because
# Spark needs that other one for file:// addresses.
_FILES = "org.apache.hadoop.fs.RawLocalFileSystem"
_FILES_SCHEME = "wherobots-local"


def storage_settings(root: Path) -> dict[str, str]:
    """Make each bucket that there is now a mount point of Hadoop, for the schemes ``s3`` and ``s3a``."""
    settings = {f"{_HADOOP}.{scheme}.impl": _MOUNTS for scheme in _SCHEMES}
    settings[f"{_HADOOP}.{_FILES_SCHEME}.impl"] = _FILES
    # All files are local, and Hadoop fails where it is asked for the places of those at the top of a bucket.
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
