"""Where ``s3://`` addresses live on this machine: ``s3://bucket/key`` is the file ``ROOT/bucket/key``."""

from __future__ import annotations

import re
from pathlib import Path

SCHEME = "s3://"
OWN_FOLDER = ".wherobots-local"
"""Folder of the server's own files under the root; no bucket can have its name."""

RUNS_FOLDER = "runs"
"""Folder of the runs in the server's own folder."""

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class StorageError(Exception):
    """An address does not name a file under the root."""


def local_path(root: Path, uri: str) -> Path:
    """Find the file of an ``s3://`` address. White space around the address is ignored.

    :param root: the folder that holds the buckets.
    :param uri: the address.
    :returns: its path, symbolic links resolved.
    :raises StorageError: if it is not an ``s3://`` address, leads out of the root, or names no file.
    """
    text = uri.strip()
    if not text.startswith(SCHEME):
        raise StorageError(f"{text!r} is not an address in storage: it must look like s3://bucket/key")
    bucket, _, key = text[len(SCHEME) :].partition("/")
    parts = key.split("/")
    if not _BUCKET.fullmatch(bucket):
        raise StorageError(f"{text!r} names no valid bucket: it must look like s3://bucket/key")
    if "\0" in key or any(part in ("", ".", "..") for part in parts):
        raise StorageError(f"{text!r} has a key that is empty or holds an empty, '.' or '..' part or a NUL")
    base = root.resolve()
    try:
        path = base.joinpath(bucket, *parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        # ValueError: a name that no file can have, such as one with a lone surrogate.
        raise StorageError(f"{text} does not exist: no file {bucket}/{key} under the server's root") from None
    if not path.is_relative_to(base) or path.is_relative_to(base / OWN_FOLDER):
        raise StorageError(f"{text} is outside the server's root")
    if not path.is_file():
        raise StorageError(f"{text} is not a file")
    return path
