"""The Runs API in memory: pure, on the caller's clock, with faults on demand.

``tests/contract/test_contract.py`` holds it against the local server.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import formatdate
from enum import Enum
from typing import Any

from airflow_provider_wherobots.api.call import Call, Response, read_response
from airflow_provider_wherobots.api.errors import NotSentError, ResponseLostError
from tests.unit.flows.fake_log import FakeLog
from tests.unit.flows.script import Hang

TERMINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")


class Fault(Enum):
    """What befalls one call: whether the service acts on it, and what the caller gets."""

    NOT_ARRIVED = (False, "refused connection")
    LOST_BEFORE_EFFECT = (False, "lost")
    LOST_AFTER_EFFECT = (True, "lost")
    HANG_BEFORE_EFFECT = (False, "hang")
    HANG_AFTER_EFFECT = (True, "hang")
    ERROR_500 = (False, "500")
    ERROR_503_AFTER_EFFECT = (True, "503")
    RATE_LIMITED = (False, "429")
    UNREADABLE = (False, "html")
    UNREADABLE_AFTER_EFFECT = (True, "html")

    @property
    def has_effect(self) -> bool:
        """Whether the service acts on the call all the same."""
        return self.value[0]

    @property
    def manner(self) -> str:
        """What the caller gets."""
        return self.value[1]

    def answer(self, call: Call[Any], retry_after: str | None) -> None:
        """Fail the call."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        match self.manner:
            case "refused connection":
                raise NotSentError(call.operation, "connection refused")
            case "lost":
                raise ResponseLostError(call.operation, "connection reset")
            case "hang":
                raise Hang
            case "html":
                read_response(call, Response(200, headers, b"<html>be right back</html>"))
            case status:
                read_response(call, Response(int(status), headers, b'{"message": "try later"}'))
        raise AssertionError("a fault must not be a success")


@dataclass
class FakeRun:
    """A run.

    :param visible_at: from when on List Runs shows it, in epoch seconds.
    :param gettable_at: from when on Get Run knows it, in epoch seconds.
    :param plan: its statuses and the seconds after its creation at which each begins.
    :param cancel_seconds: how long a cancel takes to show.
    :param spark_ui: addresses of its Spark UI and the seconds after its creation from which each holds.
    :param metrics: its instant metrics.
    """

    id: str
    payload: Mapping[str, Any]
    created_at: float
    visible_at: float
    gettable_at: float
    plan: tuple[tuple[float, str], ...] = ((0.0, "PENDING"), (5.0, "RUNNING"))
    log: FakeLog = field(default_factory=FakeLog)
    cancel_seconds: float = 0.0
    app_status: str | None = None
    app_message: str | None = None
    region: str | None = None
    spark_ui: tuple[tuple[float, str], ...] = ((0.0, ""),)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    cancelled_at: float | None = None

    def status(self, now: float) -> str:
        """Its status."""
        return self._history(now)[-1][1]

    def _history(self, now: float) -> list[tuple[float, str]]:
        """The statuses it has had and the moment at which each began."""
        until = now if self.cancelled_at is None else min(now, self.cancelled_at + self.cancel_seconds)
        steps = [(self.created_at + begin, status) for begin, status in self.plan if self.created_at + begin <= until]
        is_cancelled = self.cancelled_at is not None and now >= self.cancelled_at + self.cancel_seconds
        return [*steps, (until, "CANCELLED")] if is_cancelled and steps[-1][1] not in TERMINAL else steps

    def view(self, now: float) -> dict[str, Any]:
        """Its ``RunView``."""
        created, history = _time(self.created_at), self._history(now)
        return {
            "id": self.id,
            "name": self.payload["name"],
            "status": history[-1][1],
            "createTime": created,
            "updateTime": _time(history[-1][0]),
            "startTime": next((_time(begin) for begin, status in history if status == "RUNNING"), None),
            "completeTime": next((_time(begin) for begin, status in history if status in TERMINAL), None),
            "payload": {**_PAYLOAD_DEFAULTS, **self.payload},
            "kubeApp": {
                "status": self.app_status,
                "message": self.app_message,
                "regionName": self.region,
                "events": [],
                "appMeta": {"spark_ui_url": self._spark_ui_url(now)},
            },
        }

    def _spark_ui_url(self, now: float) -> str:
        return ([url for begin, url in self.spark_ui if self.created_at + begin <= now] or [""])[-1]


class FakeService:
    """A service to give to a :class:`~tests.unit.flows.script.Script`.

    :param list_lag: seconds until List Runs shows a new run; default 0.
    :param get_lag: seconds until Get Run knows it; default 0.
    :param page_size: the most runs on a page of List Runs.

    ``quota`` is how many runs may be active at once, ``quota_status`` the HTTP status of a create refused for that.
    """

    def __init__(
        self,
        *,
        list_lag: float = 0.0,
        get_lag: float = 0.0,
        plan: tuple[tuple[float, str], ...] = ((0.0, "PENDING"), (5.0, "RUNNING")),
        cancel_seconds: float = 0.0,
        page_size: int = 100,
    ) -> None:
        self._list_lag = list_lag
        self._get_lag = get_lag
        self._plan = plan
        self._cancel_seconds = cancel_seconds
        self._page_size = page_size
        self._faults: dict[str, deque[tuple[Fault, str | None]]] = {}
        self.quota = 1_000_000
        self.quota_status = 403
        self.runs: list[FakeRun] = []
        self.cancels: list[tuple[str, float]] = []

    def fault(self, operation: str, *faults: Fault | None, retry_after: str | None = None) -> None:
        """Let faults befall the next calls of an operation, one each; None lets one call through."""
        queue = self._faults.setdefault(operation, deque())
        queue.extend((fault, retry_after) if fault is not None else _NO_FAULT for fault in faults)

    def heal(self) -> None:
        """Let no more faults befall any call."""
        self._faults.clear()

    def add_run(self, name: str, created_at: float, **details: Any) -> FakeRun:
        """Put a run there."""
        defaults: dict[str, Any] = {
            "id": f"run{len(self.runs)}",
            "payload": {"name": name},
            "visible_at": created_at + self._list_lag,
            "gettable_at": created_at + self._get_lag,
            "plan": self._plan,
            "cancel_seconds": self._cancel_seconds,
        }
        run = FakeRun(created_at=created_at, **defaults | details)
        self.runs.append(run)
        return run

    def kept(self, now: float) -> list[FakeRun]:
        """The runs that nobody has cancelled and that have not ended."""
        return [run for run in self.runs if run.cancelled_at is None and run.status(now) not in TERMINAL]

    def __call__(self, call: Call[Any], now: float) -> Any:
        queue = self._faults.get(call.operation)
        fault, retry_after = queue.popleft() if queue else _NO_FAULT
        if fault is None:
            # Whole seconds: RFC 9110, section 6.6.1.
            date = {"Date": formatdate(int(now), usegmt=True)}
            return read_response(call, replace(self._handle(call, now), headers=date))
        if fault.has_effect:
            self._handle(call, now)
        fault.answer(call, retry_after)

    def _handle(self, call: Call[Any], now: float) -> Response:
        params = dict(call.params)
        match call.operation:
            case "createJobRun":
                assert call.json is not None
                if len(self.kept(now)) >= self.quota:
                    return _refusal(self.quota_status, "INSUFFICIENT_QUOTA_ERROR")
                run = self.add_run(call.json["name"], now, payload=dict(call.json))
                return _ok(run.view(now), 201)
            case "listJobRuns":
                return self._list(params, now)
        run_id = call.path.split("/")[2]
        found = next((run for run in self.runs if run.id == run_id), None)
        if found is None or (call.operation == "getJobRun" and now < found.gettable_at):
            return _refusal(404, "NOT_FOUND_ERROR")
        match call.operation:
            case "getJobRun":
                return _ok(found.view(now))
            case "cancelJobRun":
                return self._cancel(found, now)
            case "getJobRunLogs":
                return found.log.answer(params, now - found.created_at)
            case "getJobRunMetrics":
                instant = {key: {"metric": {"data": {"value": value}}} for key, value in found.metrics.items()}
                return _ok({"series_metrics": {}, "instant_metrics": instant})
        raise AssertionError(f"the fake has no {call.operation}")

    def _cancel(self, run: FakeRun, now: float) -> Response:
        self.cancels.append((run.id, now))
        if run.status(now) in TERMINAL:
            return _refusal(409, "CONFLICT_ERROR")
        if run.cancelled_at is None:
            run.cancelled_at = now
        return _ok(run.view(now))

    def _list(self, params: Mapping[str, str], now: float) -> Response:
        # Newest first: what the service's documentation leaves open, at its least convenient. So is a pattern that is
        # taken for a substring.
        assert params.keys() <= {"name", "cursor", "size"}, f"the fake does not filter by all of {params}"
        before, _, after = params.get("name", "").partition("*")
        shown = [
            run
            for run in reversed(self.runs)
            if now >= run.visible_at
            if before in run.payload["name"] and after in run.payload["name"]
        ]
        start = int(params.get("cursor", "0"))
        end = start + min(self._page_size, int(params.get("size", "50")))
        views = [run.view(now) for run in shown[start:end]]
        return _ok({"items": views, "total": len(shown), "next_page": str(end) if end < len(shown) else None})


_NO_FAULT: tuple[Any, None] = (None, None)
_PAYLOAD_DEFAULTS = {"runtime": None, "version": None, "timeoutSeconds": 3600}


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _ok(document: Any, status: int = 200) -> Response:
    return Response(status, {}, json.dumps(document).encode())


def _refusal(status: int, code: str) -> Response:
    return Response(status, {}, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode())
