"""Maps ``s3://`` addresses to this machine: ``s3://bucket/key`` is the file ``ROOT/bucket/key``."""

from __future__ import annotations

import re
from pathlib import Path

SCHEME = "s3://"
OWN_FOLDER = ".wherobots-local"
"""The server's own folder in the root. No bucket can have its name."""

RUNS_FOLDER = "runs"

_LONGEST_KEY = 1024
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class StorageError(Exception):
    """An address does not name a file under the root."""


def local_path(root: Path, uri: str) -> Path:
    """Return the existing file of an ``s3://`` address, symbolic links resolved. White space around it is ignored."""
    text, base = uri.strip(), root.resolve()
    parts = _parts(text)
    try:
        path = base.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        # ValueError: a name that no file can have, such as one with a lone surrogate.
        raise StorageError(f"{text} does not exist: no file {'/'.join(parts)} under the server's root") from None
    check_inside(base, path, text)
    if not path.is_file():
        raise StorageError(f"{text} is not a file")
    return path


def place_of(root: Path, uri: str) -> Path:
    """Return the path of an ``s3://`` address, which need not exist. Symbolic links of its folders are resolved, its
    last part can be one."""
    text, base = uri.strip().removesuffix("/"), root.resolve()
    *folders, name = _parts(text, bucket_alone=True)
    try:
        folder = base.joinpath(*folders).resolve()
    except (OSError, RuntimeError, ValueError):
        raise StorageError(f"{text} is in a folder that cannot be resolved") from None
    place = folder / name
    if folders:
        check_inside(base, folder, text)
        # A link can lead to the root itself. Then only the name shows the server's own folder.
        check_inside(base, place, text)
    return place


def is_bucket(name: str) -> bool:
    return _BUCKET.fullmatch(name) is not None


def _parts(text: str, *, bucket_alone: bool = False) -> list[str]:
    if not text.startswith(SCHEME):
        raise StorageError(f"{text!r} is not an address in storage: it must look like s3://bucket/key")
    bucket, slash, key = text[len(SCHEME) :].partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise StorageError(f"{text!r} names no valid bucket: it must look like s3://bucket/key")
    if bucket_alone and not slash:
        return [bucket]
    parts = key.split("/")
    if len(key.encode("utf-8", "surrogatepass")) > _LONGEST_KEY:
        raise StorageError(f"{text[:40]}... has a key of more than {_LONGEST_KEY:,} bytes, which S3 does not allow")
    if "\0" in key or any(part in ("", ".", "..") for part in parts):
        raise StorageError(f"{text!r} has a key that is empty, or contains an empty part, '.', '..' or a NUL")
    return [bucket, *parts]


def check_inside(base: Path, path: Path, text: str) -> None:
    """Raise a ``StorageError`` if a resolved path is outside the root or in the server's own folder."""
    if not path.is_relative_to(base) or path.is_relative_to(base / OWN_FOLDER):
        raise StorageError(f"{text} is outside the server's root")
