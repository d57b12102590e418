"""The messages of a session's WebSocket: the requests of a client, and the responses of the session.

A client sends JSON in text frames. The session sends JSON in text frames and CBOR in binary ones. A message without a
known ``kind``, or without an ``execution_id``, means nothing to a client.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from airflow_provider_wherobots.api.errors import InvalidArgumentError

SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"
FINAL = frozenset({SUCCEEDED, FAILED, CANCELLED})
GEOMETRIES = ("ewkt", "wkt", "wkb", "ewkb", "geojson")
"""How a session can write geometries; the first one is the default."""
STORE_FORMATS = ("parquet", "csv", "geojson")
STORE_FLAGS = ("single", "generate_presigned_url")
STORE_KEYS = ("format", *STORE_FLAGS, "options")
MAX_ERROR_CHARS = 10_000
"""How much of an error's text is kept."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where the session writes a result, instead of sending it.

    :param format: ``parquet``, ``csv`` or ``geojson``.
    :param single: whether it is one file; default False.
    :param presigned_url: whether the address is a presigned URL; needs ``single``; default False.
    :param options: options of Spark's writer; default none.
    """

    format: str
    single: bool = False
    presigned_url: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The field ``store`` of a request, as the vendor's client writes it."""
        fields: dict[str, Any] = {
            "format": self.format,
            "single": str(self.single).lower(),
            "generate_presigned_url": str(self.presigned_url).lower(),
        }
        return {**fields, "options": dict(self.options)} if self.options else fields


STORED = Store("parquet", single=True, presigned_url=True)
"""How a result is stored to be downloaded as a file."""


def read_store(given: Any) -> Store:
    """Read the argument ``store``.

    Source: the store options of ``wherobots-python-dbapi``.
    """
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f"store={given!r}: must be a dict with the keys {', '.join(STORE_KEYS)}")
    if unknown := [key for key in given if key not in STORE_KEYS]:
        raise InvalidArgumentError(f"store: has the unknown key {unknown[0]!r}; the keys are {', '.join(STORE_KEYS)}")
    name = given.get("format")
    # An enumeration of the vendor's client counts by its value.
    name = getattr(name, "value", name)
    if name not in STORE_FORMATS:
        raise InvalidArgumentError(
            f"store['format']={name!r}: must be {', '.join(STORE_FORMATS[:-1])} or {STORE_FORMATS[-1]}"
        )
    single, presigned = (given.get(key, False) for key in STORE_FLAGS)
    for key, value in zip(STORE_FLAGS, (single, presigned), strict=True):
        if not isinstance(value, bool):
            raise InvalidArgumentError(f"store[{key!r}]={value!r}: must be True or False")
    if presigned and not single:
        raise InvalidArgumentError("store['generate_presigned_url']=True: needs store['single']=True")
    options = {} if given.get("options") is None else given["options"]
    if not isinstance(options, Mapping):
        raise InvalidArgumentError(f"store['options']={options!r}: must be a dict of strings")
    for key, value in options.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidArgumentError(f"store['options'][{key!r}]={value!r}: name and value must be strings")
    return Store(name, single, presigned, dict(options))


@dataclass(frozen=True, slots=True)
class ClientMessage(ABC):
    """A request of a client about an execution."""

    execution_id: str

    @abstractmethod
    def _fields(self) -> dict[str, Any]:
        """The fields of its kind."""

    def to_text(self) -> str:
        """The message as it is sent."""
        return json.dumps({"execution_id": self.execution_id, **self._fields()})


@dataclass(frozen=True, slots=True)
class ExecuteSql(ClientMessage):
    """Execute a statement."""

    statement: str = field(repr=False)
    store: Store | None = None

    def _fields(self) -> dict[str, Any]:
        stored = {} if self.store is None else {"store": self.store.to_json()}
        return {"kind": "execute_sql", "statement": self.statement, "enable_progress_events": True, **stored}


@dataclass(frozen=True, slots=True)
class RetrieveResults(ClientMessage):
    """Request the state and the result of an execution; with ``attach`` its later events come to this connection."""

    geometry: str = "ewkt"
    attach: bool = False

    def _fields(self) -> dict[str, Any]:
        form = {"format": "arrow", "compression": "zstd", "geometry": self.geometry}
        return {"kind": "retrieve_results", **form, **({"attach": True} if self.attach else {})}


@dataclass(frozen=True, slots=True)
class CancelExecution(ClientMessage):
    """Cancel an execution."""

    def _fields(self) -> dict[str, Any]:
        return {"kind": "cancel"}


@dataclass(frozen=True, slots=True)
class Results:
    """The result of an execution as it was sent: one compressed stream of Arrow's IPC format."""

    data: bytes = field(repr=False)
    format: str = "arrow"
    compression: str = "zstd"


@dataclass(frozen=True, slots=True)
class ExecutionStatus:
    """The state of an execution, and where its result is stored."""

    execution_id: str
    state: str
    result_uri: str | None = field(default=None, repr=False)
    size: int | None = None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class StateUpdated(ExecutionStatus):
    """An execution has another state."""


@dataclass(frozen=True, slots=True)
class ExecutionResult(ExecutionStatus):
    """The response to :class:`RetrieveResults`; its state need not be final."""

    results: Results | None = None
    attached: bool = False


_NOT_FOUND = re.compile(r"\bexecution\b.{0,300}\bnot found\b|\bunknown execution\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """The failure of an execution, or of a request for it, in the engine's or the session's words."""

    execution_id: str
    message: str

    @property
    def is_not_found(self) -> bool:
        """Whether its text may mean that the session does not know the execution. There is no code for that."""
        return _NOT_FOUND.search(self.message) is not None


@dataclass(frozen=True, slots=True)
class ExecutionProgress:
    """How many of an execution's tasks are done. Best effort."""

    execution_id: str
    total: int
    completed: int
    active: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame that could not be read; it may have been for any execution."""

    reason: str
    execution_id: str = ""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A message over the client's limit, which only a result can be. The connection is closed after it."""

    limit_bytes: int
    execution_id: str = ""


ServerMessage: TypeAlias = StateUpdated | ExecutionResult | ExecutionError | ExecutionProgress | Unreadable | TooLarge


def read_message(frame: str | bytes) -> ServerMessage | None:
    """Read a frame: text is JSON, bytes are CBOR. None for a message that means nothing to a client. Raises what the
    parsers raise.
    """
    if isinstance(frame, str):
        document = json.loads(frame)
    else:
        # Imported here: text frames need no package beyond Python.
        import cbor2

        document = cbor2.loads(frame)
    return _message(document) if isinstance(document, Mapping) else None


def _message(document: Mapping[Any, Any]) -> ServerMessage | None:
    execution_id = document.get("execution_id")
    if not isinstance(execution_id, str) or not execution_id:
        return None
    match document.get("kind"):
        case "state_updated":
            return StateUpdated(*_status(execution_id, document))
        case "execution_result":
            results, is_attached = _results(document.get("results")), document.get("attached") is True
            return ExecutionResult(*_status(execution_id, document), results, is_attached)
        case "error":
            return ExecutionError(execution_id, str(document.get("message") or "")[:MAX_ERROR_CHARS])
        case "execution_progress":
            counts = (_whole(document, f"tasks_{name}") or 0 for name in ("total", "completed", "active"))
            return ExecutionProgress(execution_id, *counts)
    return None


def _results(value: Any) -> Results | None:
    if not isinstance(value, Mapping) or value.get("result_bytes") is None:
        return None
    data = value["result_bytes"]
    return Results(
        data if isinstance(data, bytes) else str(data).encode(),
        str(value.get("format") or "arrow"),
        str(value.get("compression") or "none"),
    )


def _status(execution_id: str, document: Mapping[Any, Any]) -> tuple[str, str, str | None, int | None]:
    uri = document.get("result_uri")
    uri = uri if isinstance(uri, str) and uri else None
    return execution_id, str(document.get("state") or "").lower(), uri, _whole(document, "size")


def _whole(document: Mapping[Any, Any], name: str) -> int | None:
    value = document.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
