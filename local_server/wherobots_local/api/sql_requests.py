"""Requests for SQL sessions, and the messages of their clients."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from wherobots_local.api.errors import ApiError
from wherobots_local.api.queries import Parameters
from wherobots_local.api.validation import PublishedModel, validated, without_nulls
from wherobots_local.api.vocabulary import CANCEL_EXECUTION, EXECUTE_SQL, RETRIEVE_RESULTS, RUNTIMES

_Life = Annotated[int, Field(ge=1, lt=2**31)]


class SqlSessionPayload(PublishedModel):
    """``SqlSessionAPIPayload``, and ``sessionKey``, which clients send although it is not published. Equal payloads
    request the same session."""

    runtime_id: Literal[RUNTIMES] | None = None  # type: ignore[valid-type]
    version: str | None = None
    environment_preset_id: str | None = None
    environment_override_preset_id: str | None = None
    idle_timeout_minutes: _Life | None = None
    shutdown_after_inactive_seconds: _Life | None = None
    session_type: Literal["single", "multi"] = "multi"
    session_key: str | None = None


class SqlSessionQuery(Parameters):
    region: str | None = None
    force_new: bool = False


class SqlSessionsQuery(Parameters):
    region: str | None = None


_Id = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Option = Annotated[str, BeforeValidator(lambda value: value if isinstance(value, str) else json.dumps(value))]


class StoreRequest(Parameters):
    """``store``: where a result is written. Clients send the booleans also as text."""

    format: Literal["parquet", "csv", "geojson"] = "parquet"
    single: bool | None = None
    generate_presigned_url: bool = False
    options: dict[str, _Option] = Field(default_factory=dict)


class ExecuteMessage(Parameters):
    """``execute_sql``."""

    execution_id: _Id
    statement: str
    store: StoreRequest | None = None
    enable_progress_events: bool = False


class RetrieveMessage(Parameters):
    """``retrieve_results``."""

    execution_id: _Id
    format: Literal["arrow", "json"] = "arrow"
    compression: Literal["brotli", "gzip", "zstd", "lz4", "none"] = "brotli"
    geometry: Literal["ewkt", "wkt", "wkb", "ewkb", "geojson"] = "ewkt"
    attach: bool = False


class CancelMessage(Parameters):
    """``cancel``."""

    execution_id: _Id


SessionMessage = ExecuteMessage | RetrieveMessage | CancelMessage

_KINDS: dict[str, tuple[str, type[ExecuteMessage] | type[RetrieveMessage] | type[CancelMessage]]] = {
    "execute_sql": (EXECUTE_SQL, ExecuteMessage),
    "retrieve_results": (RETRIEVE_RESULTS, RetrieveMessage),
    "cancel": (CANCEL_EXECUTION, CancelMessage),
}


@dataclass(frozen=True)
class ReceivedMessage:
    """A message of a client. If it breaks a rule, ``message`` is None and ``problem`` is one sentence."""

    operation: str
    execution_id: str
    message: SessionMessage | None
    problem: str = ""


def parse_session_message(text: str) -> ReceivedMessage | None:
    """Read a text frame. Returns None without readable JSON, a known kind and an execution id."""
    try:
        document = without_nulls(json.loads(text))
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    kind, execution_id = document.get("kind"), document.get("execution_id")
    if not isinstance(kind, str) or kind not in _KINDS or not isinstance(execution_id, str) or not execution_id:
        return None
    operation, model = _KINDS[kind]
    try:
        return ReceivedMessage(operation, execution_id, validated(model, document))
    except ApiError as error:
        return ReceivedMessage(operation, execution_id, None, str(error))
