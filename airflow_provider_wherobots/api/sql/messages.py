"""The messages of a session's WebSocket: the requests of a client, and the responses of the session.

A client sends JSON in text frames. The session sends JSON in text frames and CBOR in binary ones. A message without a
known ``kind``, or without an ``execution_id``, means nothing to a client.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from airflow_provider_wherobots.api.errors import InvalidArgumentError

SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"
FINAL = frozenset({SUCCEEDED, FAILED, CANCELLED})
GEOMETRIES = ("ewkt", "wkt", "wkb", "ewkb", "geojson")
"""How a session can write geometries; the first one is the default."""
STORE_FORMATS = ("parquet", "csv", "geojson")
STORE_KEYS = ("format", "single", "generate_presigned_url", "options")
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
    single, presigned = _flag(given, "single"), _flag(given, "generate_presigned_url")
    if presigned and not single:
        raise InvalidArgumentError("store['generate_presigned_url']=True: needs store['single']=True")
    return Store(name, single, presigned, _options(given.get("options")))


def _flag(given: Mapping[str, Any], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"store[{key!r}]={value!r}: must be True or False")
    return value


def _options(options: Any) -> dict[str, str]:
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise InvalidArgumentError(f"store['options']={options!r}: must be a dict of strings")
    for key, value in options.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidArgumentError(f"store['options'][{key!r}]={value!r}: name and value must be strings")
    return dict(options)


@dataclass(frozen=True, slots=True)
class ExecuteSql:
    """Execute a statement."""

    executes: ClassVar[bool] = True

    execution_id: str
    statement: str = field(repr=False)
    store: Store | None = None

    def to_text(self) -> str:
        message: dict[str, Any] = {
            "kind": "execute_sql",
            "execution_id": self.execution_id,
            "statement": self.statement,
            "enable_progress_events": True,
        }
        if self.store is not None:
            message["store"] = self.store.to_json()
        return json.dumps(message)


@dataclass(frozen=True, slots=True)
class RetrieveResults:
    """Request the state and the result of an execution; with ``attach`` its later events come to this connection."""

    executes: ClassVar[bool] = False

    execution_id: str
    geometry: str = "ewkt"
    attach: bool = False

    def to_text(self) -> str:
        message: dict[str, Any] = {
            "kind": "retrieve_results",
            "execution_id": self.execution_id,
            "format": "arrow",
            "compression": "zstd",
            "geometry": self.geometry,
        }
        if self.attach:
            message["attach"] = True
        return json.dumps(message)


@dataclass(frozen=True, slots=True)
class CancelExecution:
    """Cancel an execution."""

    executes: ClassVar[bool] = False

    execution_id: str

    def to_text(self) -> str:
        return json.dumps({"kind": "cancel", "execution_id": self.execution_id})


ClientMessage: TypeAlias = ExecuteSql | RetrieveResults | CancelExecution


@dataclass(frozen=True, slots=True)
class Results:
    """The result of an execution as it was sent: one compressed stream of Arrow's IPC format."""

    data: bytes = field(repr=False)
    format: str = "arrow"
    compression: str = "zstd"


@dataclass(frozen=True, slots=True)
class StateUpdated:
    """An execution has another state."""

    execution_id: str
    state: str
    result_uri: str | None = field(default=None, repr=False)
    size: int | None = None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """The response to :class:`RetrieveResults`; its state need not be final."""

    execution_id: str
    state: str
    results: Results | None = None
    result_uri: str | None = field(default=None, repr=False)
    size: int | None = None
    attached: bool = False

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


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
            return StateUpdated(execution_id, _state(document), _text(document, "result_uri"), _whole(document, "size"))
        case "execution_result":
            return ExecutionResult(
                execution_id,
                _state(document),
                _results(document.get("results")),
                _text(document, "result_uri"),
                _whole(document, "size"),
                document.get("attached") is True,
            )
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


def _state(document: Mapping[Any, Any]) -> str:
    return str(document.get("state") or "").lower()


def _text(document: Mapping[Any, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def _whole(document: Mapping[Any, Any], name: str) -> int | None:
    value = document.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
