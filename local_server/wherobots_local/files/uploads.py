"""Uploads. Each is written to a folder of the server, and moved into the storage when it is complete."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import shutil
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from wherobots_local.api.errors import ORGANIZATION_ID, USER_ID, ApiError
from wherobots_local.files.contents import storage_errors
from wherobots_local.storage import OWN_FOLDER, SCHEME, is_bucket, place_of

MAX_OBJECT_BYTES = 500 * 1024 * 1024
"""The most bytes of one request. Clients of the service send no more in one."""


class TooLargeError(Exception):
    def __init__(self) -> None:
        super().__init__(f"The object has more bytes than the limit of {MAX_OBJECT_BYTES}")


class UploadEndedError(Exception):
    """The storage was emptied during an upload."""


class Uploads:
    """Belongs to one event loop."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: set[Path] = set()
        self._folder = root / OWN_FOLDER / "uploads"
        # What a server that was killed has left.
        shutil.rmtree(self._folder, ignore_errors=True)

    async def receive(self, pieces: AsyncIterable[bytes], address: str) -> None:
        """Write a file to the folder of uploads, and move it to its address, where it replaces another. Raises
        ``StorageError`` or ``OSError`` if there can be no such file, and ``UploadEndedError`` after :meth:`end_all`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / secrets.token_hex(16)
        self._files.add(path)
        size = 0
        try:
            with path.open("xb") as file:
                async for piece in pieces:
                    size += len(piece)
                    if size > MAX_OBJECT_BYTES:
                        raise TooLargeError
                    # In a thread, so that a slow disk does not stop the server.
                    await asyncio.to_thread(file.write, piece)
            if path not in self._files:
                raise UploadEndedError
            place = place_of(self._root, address)
            if place.is_dir() and not place.is_symlink():
                raise IsADirectoryError(None, "a folder has this address")
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
        finally:
            self._discard(path)

    def end_all(self) -> None:
        """End all uploads in progress. None of them reaches the storage."""
        for file in tuple(self._files):
            self._discard(file)

    def _discard(self, file: Path) -> None:
        self._files.discard(file)
        file.unlink(missing_ok=True)


PREFIX = "/_objects"
LIFETIME_SECONDS = 3600


class UrlSigner:
    """Makes and checks presigned URLs. They expire when the server ends."""

    def __init__(self) -> None:
        self.expire_all()

    def expire_all(self) -> None:
        self._secret = secrets.token_bytes(32)

    def url(self, origin: str, method: str, key: str, now: float) -> str:
        """``origin`` is this server's scheme, host and port as the client knows them."""
        expires = str(int(now) + LIFETIME_SECONDS)
        query = urlencode({"expires": expires, "signature": self._signature(method, key, expires)})
        return f"{origin}{PREFIX}/{quote(key)}?{query}"

    def refusal(self, method: str, key: str, query: Mapping[str, str], now: float) -> tuple[str, str] | None:
        """Return why a URL does not work, as code and message; None if it works."""
        expires = query.get("expires", "")
        expected = self._signature(method, key, expires)
        if not hmac.compare_digest(expected.encode(), query.get("signature", "").encode()):
            return "SignatureDoesNotMatch", "The signature does not match the method and the address of the request"
        return ("AccessDenied", "Request has expired") if int(expires) < now else None

    def _signature(self, method: str, key: str, expires: str) -> str:
        # The length of each part is signed too, so that no line end in a key can imitate another part.
        text = "\n".join(f"{len(part)} {part}" for part in (method, key, expires))
        return hmac.new(self._secret, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


MANAGED_BUCKET = "managed-storage"
SHARED_FOLDER = "data/shared"
"""The folder in managed storage for all users of the organization."""

_OWN_FOLDER = f"data/customer-{USER_ID}"
_USER_FILES = "user_files::"


@dataclass(frozen=True)
class Source:
    id: str
    bucket: str
    prefix: str = ""
    managed: bool = False

    @property
    def path(self) -> str:
        """Its ``s3://`` address, without a slash at the end."""
        return f"{SCHEME}{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")

    def address(self, path: str) -> str:
        return f"{self.path}/{path}" if path else self.path


MANAGED = Source("local0storage0", MANAGED_BUCKET, ORGANIZATION_ID, managed=True)
USER_FILES = Source("local0files000", MANAGED_BUCKET, f"{ORGANIZATION_ID}/{_OWN_FOLDER}", managed=True)
"""The files of the only user, the same in all regions."""


def sources(root: Path) -> list[Source]:
    with storage_errors(MANAGED.path):
        for folder in (SHARED_FOLDER, _OWN_FOLDER):
            place_of(root, MANAGED.address(folder)).mkdir(parents=True, exist_ok=True)
    names = sorted(entry.name for entry in root.iterdir() if is_bucket(entry.name) and entry.is_dir())
    return [
        MANAGED,
        *(Source(hashlib.sha256(name.encode()).hexdigest()[:14], name) for name in names if name != MANAGED_BUCKET),
    ]


def source(root: Path, source_id: str) -> Source:
    """Return a source by its id. ``user_files::`` with any region is the user's own files."""
    found = sources(root)
    if source_id.startswith(_USER_FILES) and source_id != _USER_FILES:
        return USER_FILES
    for known in found:
        if known.id == source_id:
            return known
    raise ApiError(404, f"there is no storage with the id {source_id!r}", "GET /storage lists the storage sources.")


def source_of_bucket(root: Path, bucket: str) -> Source:
    """Return the source of a bucket. The error begins as on the service, because clients search for that text."""
    for known in sources(root):
        if known.bucket == bucket:
            return known
    raise ApiError(400, f"No storage source found for bucket {bucket!r}", "A bucket is a folder under the root.")
