"""The bodies of control calls about runs and the key: from JSON to checked values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_wherobots.local.api.errors import ApiError, Problem
from airflow_provider_wherobots.local.control.faults import unknown_keys
from airflow_provider_wherobots.local.runs.run import LocalRun, utc_now
from airflow_provider_wherobots.local.security import checked_key

_RUN_KEYS = ("status", "completed", "kubeApp")
_APP_KEYS = ("status", "message", "events", "spark_ui_url")
_EVENT_KEYS = ("code", "message")


@dataclass(frozen=True)
class RunPatch:
    """Changes to a run; None changes nothing. Any status is allowed, so that tests can show a client unknown ones.

    :param status: the status.
    :param completed: whether to set ``completeTime``, which a terminal status does by itself.
    :param app_status: ``kubeApp.status``.
    :param app_message: ``kubeApp.message``.
    :param events: code and message of further events.
    :param spark_ui_url: ``kubeApp.appMeta.spark_ui_url``.
    """

    status: str | None = None
    completed: bool = False
    app_status: str | None = None
    app_message: str | None = None
    events: tuple[tuple[str | None, str | None], ...] = ()
    spark_ui_url: str | None = None

    @property
    def suits_a_process(self) -> bool:
        """Whether it changes only what can be changed of a run with a process: the address of its Spark UI."""
        return self == RunPatch(spark_ui_url=self.spark_ui_url)


def parse_run_patch(body: object) -> RunPatch:
    """Check the changes to a run.

    :param body: the decoded JSON.
    :returns: the changes.
    :raises ApiError: 422 if anything about it is wrong.
    """
    values = _object(body, "body", _RUN_KEYS)
    app = _object(values.get("kubeApp", {}), "kubeApp", _APP_KEYS)
    completed = values.get("completed", False)
    if not isinstance(completed, bool):
        raise _wrong("completed", completed, "true or false")
    events = app.get("events", [])
    if not isinstance(events, list):
        raise _wrong("kubeApp.events", events, "a list")
    checked = [_object(event, "kubeApp.events", _EVENT_KEYS) for event in events]
    return RunPatch(
        status=_text(values, "status", "status"),
        completed=completed,
        app_status=_text(app, "status", "kubeApp.status"),
        app_message=_text(app, "message", "kubeApp.message"),
        events=tuple(
            (_text(event, "code", "kubeApp.events.code"), _text(event, "message", "kubeApp.events.message"))
            for event in checked
        ),
        spark_ui_url=_text(app, "spark_ui_url", "kubeApp.spark_ui_url"),
    )


def apply_run_patch(run: LocalRun, patch: RunPatch) -> None:
    """Change a run.

    :param run: the run.
    :param patch: the changes.
    """
    for code, message in patch.events:
        run.add_event(code, message)
    if patch.app_status is not None or patch.app_message is not None:
        run.set_app(patch.app_status or run.app_status, patch.app_message)
    if patch.spark_ui_url is not None:
        run.set_spark_ui(patch.spark_ui_url)
    if patch.status is not None:
        run.set_status(patch.status)
    if patch.completed and run.completed_at is None:
        run.completed_at = utc_now()


def parse_log_items(body: object, now: int) -> list[tuple[int, str]]:
    """Check log lines that are to be inserted.

    :param body: the decoded JSON: ``{"items": [{"timestamp": ..., "raw": ...}]}``.
    :param now: the timestamp of lines that name none, in nanoseconds since the epoch.
    :returns: timestamp (ns since the epoch) and text of each line.
    :raises ApiError: 422 if anything about it is wrong.
    """
    items = _object(body, "body", ("items",)).get("items")
    if not isinstance(items, list):
        raise _wrong("items", items, "a list")
    return [_log_item(item, now) for item in items]


def parse_new_key(body: object) -> str | None:
    """Check a new API key.

    :param body: the decoded JSON: ``{"api_key": ...}``.
    :returns: the key; None for a random one.
    :raises ApiError: 422 if it is not usable; the message does not show it.
    """
    key = _object(body, "body", ("api_key",)).get("api_key")
    if key is None:
        return None
    if not isinstance(key, str):
        raise ApiError(422, [Problem("api_key must be a string", "api_key")])
    try:
        return checked_key(key)
    except ValueError as error:
        raise ApiError(422, [Problem(str(error), "api_key")]) from None


def _log_item(item: object, now: int) -> tuple[int, str]:
    values = _object(item, "items", ("timestamp", "raw"))
    raw, timestamp = values.get("raw"), values.get("timestamp", now)
    if not isinstance(raw, str):
        raise _wrong("items.raw", raw, "a string")
    if isinstance(timestamp, str) and timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 30:
        timestamp = int(timestamp)
    if isinstance(timestamp, bool) or not isinstance(timestamp, int) or timestamp < 0:
        raise _wrong("items.timestamp", timestamp, "nanoseconds since the epoch")
    return timestamp, raw


def _object(body: object, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(body, Mapping):
        raise _wrong(where, body, "a JSON object")
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise ApiError(422, [Problem(unknown_keys(where, unknown, known), where)])
    return dict(body)


def _text(values: dict[str, Any], key: str, where: str) -> str | None:
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise _wrong(where, value, "a string")
    return value


def _wrong(where: str, value: object, rule: str) -> ApiError:
    return ApiError(422, [Problem(f"{where} is {value!r}, but must be {rule}", where)])
