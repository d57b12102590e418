"""What the API says about storage, as far as an upload needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_wherobots.api.storage.address import SCHEME

FILE = "FILE"


class Content(Protocol):
    """The bytes to upload."""

    @property
    def size(self) -> int:
        """How many there are."""

    def pieces(self) -> Iterator[bytes]:
        """Read them from their beginning. Blocks."""


@dataclass(frozen=True, slots=True)
class Organization:
    """The organisation that the API key belongs to.

    :param id: its id.
    :param bucket: the bucket of its managed storage, without ``s3://``; None if it has none.
    """

    id: str
    bucket: str | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Organization:
        """Read an ``Organization``.

        :param data: decoded JSON.
        """
        store = data.get("fileStore")
        name = store.get("bucketName") if isinstance(store, Mapping) else None
        # Some answers have an address in place of the name.
        bucket = name.removeprefix(SCHEME).strip("/") if isinstance(name, str) else ""
        return cls(str(data["id"]), bucket or None)


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder of storage.

    :param sizes: the size of each file in it, in bytes, by name.
    :param is_upload_protected: whether the caller may not upload into it.
    """

    sizes: Mapping[str, int]
    is_upload_protected: bool

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Directory:
        """Read a ``Directory``.

        :param data: decoded JSON.
        """
        entries = [entry for entry in data.get("files") or () if isinstance(entry, Mapping)]
        sizes = {str(entry.get("name")): entry.get("size") for entry in entries if entry.get("type") == FILE}
        return cls(
            {name: size for name, size in sizes.items() if isinstance(size, int)},
            data.get("uploadProtected") is True,
        )
