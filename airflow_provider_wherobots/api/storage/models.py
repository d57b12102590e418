"""What the API says about storage, as far as an upload needs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from airflow_provider_wherobots.api.storage.address import SCHEME


class Content(Protocol):
    """The bytes to upload."""

    @property
    def size(self) -> int:
        """How many there are."""

    def pieces(self) -> Iterator[bytes]:
        """Read them from their beginning. Blocks."""


@dataclass(frozen=True, slots=True)
class Organization:
    """The organization that the API key belongs to. ``bucket`` has no ``s3://``; None without managed storage."""

    id: str
    bucket: str | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Organization:
        """Read an ``Organization``."""
        store = data.get("fileStore")
        name = store.get("bucketName") if isinstance(store, Mapping) else None
        # Some responses have an address in place of the name.
        bucket = name.removeprefix(SCHEME).strip("/") if isinstance(name, str) else ""
        return cls(str(data["id"]), bucket or None)
