"""Responses of the Runs API, as tolerant, frozen dataclasses.

Only a run's id and status are required. Everything else may be missing or null, and fields that the service adds are
kept in ``raw``. Statuses are plain strings: an unknown one is data, not an error.
Source: the schemas of the OpenAPI description. Where older documents differ, both forms are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from airflow_provider_wherobots.api.errors import parse_http_date

PENDING = "PENDING"
RUNNING = "RUNNING"
COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
TIMED_OUT = "TIMED_OUT"

ACTIVE_STATUSES = frozenset({PENDING, RUNNING})
NOT_STARTED_STATUSES = frozenset({"PREPARE_FAILED", "DEPLOY_FAILED", "INIT_FAILED"})
"""``AppStatus`` of an application that failed to start."""
TERMINAL_STATUSES = frozenset({COMPLETED, FAILED, CANCELLED, TIMED_OUT})
MAX_NUMBER = 1e15


@dataclass(frozen=True, slots=True)
class Event:
    """A ``KubeAppEvent``: one thing that happened to the run's application.

    :param code: machine-readable kind, or None.
    :param message: human-readable text, or None.
    """

    code: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class KubeApp:
    """A ``RunKubeApp``: the run's application on the cluster. Every field may be empty.

    :param status: ``AppStatus`` (PREPARING, DEPLOYING, READY, DESTROYING, ...), or None.
    :param message: the service's latest trace for troubleshooting, or None.
    :param region: where the run executes, or None.
    :param spark_ui_url: address of the Spark UI, or None until it is known.
    :param resolved_version: the Wherobots version that an alias such as ``latest`` stands for, or None.
    :param raw_events: :attr:`events` as received; parsed on access, because few polls need them.
    """

    status: str | None = None
    message: str | None = None
    region: str | None = None
    spark_ui_url: str | None = None
    resolved_version: str | None = None
    raw_events: Sequence[Any] = ()

    @classmethod
    def from_json(cls, data: Any) -> KubeApp:
        """Read a ``kubeApp`` object. Anything but an object reads as an empty one."""
        if not isinstance(data, dict):
            return cls()
        meta = _mapping(data.get("appMeta"))
        return cls(
            status=_text(data.get("status")),
            message=_text(data.get("message")),
            region=_text(data.get("regionName")),
            spark_ui_url=_text(meta.get("spark_ui_url")),
            resolved_version=_text(meta.get("resolved_version")),
            raw_events=_list(data.get("events")),
        )

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, in the service's order."""
        return tuple(
            Event(_text(event.get("code")), _text(event.get("message")))
            for event in self.raw_events
            if isinstance(event, dict)
        )

    @property
    def is_torn_down(self) -> bool:
        """Whether the application is being destroyed or has been, so that its run must not be re-attached to."""
        return self.status is not None and self.status.startswith("DESTROY")

    @property
    def has_failed(self) -> bool:
        """Whether the application failed to start, so that the script never began."""
        return self.status in NOT_STARTED_STATUSES


@dataclass(frozen=True, slots=True)
class Run:
    """A ``RunView``.

    :param id: opaque id.
    :param name: name as created.
    :param status: ``RunStatus`` as a plain string.
    :param kube_app: its application on the cluster.
    :param payload: the create body as the service echoes it.
    :param responded_at: when the service sent the response, by its own clock; None if unknown, and of a running run of
        Get Run.
    :param raw: the whole response. Times are parsed on access, because few polls need them.
    """

    id: str
    name: str
    status: str
    kube_app: KubeApp = field(default_factory=KubeApp)
    payload: Mapping[str, Any] = field(default_factory=dict)
    responded_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, data: Any) -> Run:
        """Read a ``RunView``."""
        if not isinstance(data, dict):
            raise ValueError(f"a run must be an object, not {type(data).__name__}")
        run_id, status = data.get("id"), data.get("status")
        if not isinstance(run_id, str) or not run_id or not isinstance(status, str) or not status:
            raise ValueError("a run must have an id and a status")
        return cls(
            id=run_id,
            name=_text(data.get("name")) or "",
            status=status,
            kube_app=KubeApp.from_json(data.get("kubeApp")),
            payload=_mapping(data.get("payload")),
            raw=data,
        )

    @property
    def create_time(self) -> datetime | None:
        """When it was created, or None."""
        return parse_time(self.raw.get("createTime"))

    @property
    def start_time(self) -> datetime | None:
        """When it began to run, or None."""
        return self._time_after_pending("startTime")

    @property
    def complete_time(self) -> datetime | None:
        """When it ended, or None."""
        return self._time_after_pending("completeTime")

    def _time_after_pending(self, key: str) -> datetime | None:
        # The PENDING runs in the service's documentation have these times, too.
        return None if self.status == PENDING else parse_time(self.raw.get(key))

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended. An unknown status counts as ended once the run has a completion time."""
        if self.status in TERMINAL_STATUSES:
            return True
        return self.status not in ACTIVE_STATUSES and self.complete_time is not None

    def with_response_time(self, date: str) -> Run:
        """Return the run with the time of the response. A running run is not changed: nothing asks how old it is."""
        return replace(self, responded_at=parse_http_date(date)) if self.is_terminal or self.status == PENDING else self

    @property
    def ended_ago(self) -> float:
        """Seconds between the run's end and the response, both by the service's clock; 0 if unknown."""
        if self.complete_time is None or self.responded_at is None:
            return 0.0
        return max(0.0, (self.responded_at - self.complete_time).total_seconds())

    @property
    def is_active(self) -> bool:
        """Whether a task can still re-attach to the run: it has not ended and is not being torn down."""
        return not self.is_terminal and not self.kube_app.is_torn_down

    @property
    def created_ago(self) -> float | None:
        """Seconds between the run's creation and the response, both by the service's clock; None if unknown. A ``Date``
        has whole seconds, so it may be one more.
        """
        if self.create_time is None or self.responded_at is None:
            return None
        return (self.responded_at - self.create_time).total_seconds()

    @property
    def has_timed_out(self) -> bool:
        """Whether the service's own timeout ended the run, in either of the ways it reports that."""
        if self.status == TIMED_OUT:
            return True
        return self.status == FAILED and any(
            event.code == "RUN_FAIL_EXEC" and "timeout" in (event.message or "").lower()
            for event in self.kube_app.events
        )

    @property
    def reason(self) -> str | None:
        """The service's explanation of the run's state, or None if there is none."""
        if self.kube_app.message:
            return self.kube_app.message
        for event in reversed(self.kube_app.events):
            if event.message:
                return f"{event.code}: {event.message}" if event.code else event.message
        return None


@dataclass(frozen=True, slots=True)
class RunPage:
    """One page of List Runs, in the service's order (undocumented: sort where it matters).

    :param left_out: how many of its runs have no id or no status.
    """

    items: tuple[Run, ...]
    next_page: str | None = None
    left_out: int = 0

    @classmethod
    def from_json(cls, data: Any) -> RunPage:
        """Read a ``CursorPage`` of runs."""
        given = _items(data)
        runs = []
        for item in given:
            with suppress(ValueError):
                runs.append(Run.from_json(item))
        if given and not runs:
            raise ValueError("none of the runs has an id and a status")
        return cls(tuple(runs), _text(data.get("next_page")), len(given) - len(runs))

    def with_date(self, date: str) -> RunPage:
        """Return the page, each of whose runs has the time of the response."""
        responded_at = parse_http_date(date)
        return replace(self, items=tuple(replace(run, responded_at=responded_at) for run in self.items))


class LogLine(NamedTuple):
    """A ``LogItem``.

    :param timestamp: the line's time exactly as received: a string of digits, or an int from older services.
        Never a float: 19 digits do not fit one.
    :param raw: the text.
    """

    timestamp: str | int
    raw: str


Line: TypeAlias = tuple[str | int, str]
"""Time and text of a ``LogItem``: a :class:`LogLine`, or a plain tuple that equals it.

The lines of a page are plain tuples, because a log has very many. Python's garbage collection checks a plain tuple of
texts and numbers once, and then stops tracking it. It keeps tracking named tuples, and after some pages of them it
would traverse every object of the process.
"""

LOG_START_CURSOR = "0"
"""The cursor that means "from the first line"."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """A ``LogsResponse``.

    :param lines: the lines of this page.
    :param next_page: the next cursor exactly as received; None while there are no more lines *yet*.
    :param current_page: echo of the cursor sent, or None.
    :param date: the header ``Date`` of the response, or None. It is parsed on access, because few pages need it.
    :param left_out: how many items of this page have no text.
    """

    lines: tuple[Line, ...]
    next_page: str | int | None = None
    current_page: str | int | None = None
    date: str | None = None
    left_out: int = 0

    @classmethod
    def from_json(cls, data: Any) -> LogPage:
        """Read a ``LogsResponse``."""
        given = _items(data)
        lines = _lines(given)
        return cls(
            lines=lines,
            next_page=_cursor(data.get("next_page")),
            current_page=_cursor(data.get("current_page")),
            left_out=len(given) - len(lines),
        )

    def with_date(self, date: str) -> LogPage:
        """Return the page with the header ``Date`` of its response."""
        return LogPage(self.lines, self.next_page, self.current_page, date, self.left_out)

    @property
    def responded_at(self) -> float | None:
        """When the service sent the page, by its own clock, in epoch seconds; None if unknown."""
        moment = None if self.date is None else parse_http_date(self.date)
        return None if moment is None else moment.timestamp()

    @property
    def items(self) -> tuple[LogLine, ...]:
        """The lines of this page, with names for their parts."""
        return tuple(map(LogLine._make, self.lines))


MAX_POINTS = 5_000


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """A ``RunMetricsResponse``.

    :param instant_metrics: the latest value by metric key (``COST_USD``, ``CONSUMED_SPATIAL_UNITS``, ...); None
        if the service has no value yet.
    :param raw: the whole response, with the series.
    """

    instant_metrics: Mapping[str, float | None]
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, data: Any) -> RunMetrics:
        """Read a ``RunMetricsResponse``."""
        values: dict[str, float | None] = {}
        for key, details in _mapping(data.get("instant_metrics")).items():
            value = _mapping(_mapping(_mapping(details).get("metric")).get("data")).get("value")
            values[key] = value if isinstance(value, int | float) else None
        return cls(values, data)

    def series(self, key: str) -> list[tuple[float, float]]:
        """Return the known points of a series: epoch seconds and value, oldest first.

        A series of more than 5,000 points is not read.

        :param key: metric key, such as ``CPU_UTILIZATION_PERCENT``.
        """
        details = _mapping(_mapping(self.raw.get("series_metrics")).get(key))
        data = _list(_mapping(details.get("metric")).get("data"))
        # Sorting more would hold up a triggerer.
        points = map(_mapping, data if len(data) <= MAX_POINTS else ())
        pairs = [(number(point.get("timestamp")), number(point.get("value"))) for point in points]
        return sorted((moment, value) for moment, value in pairs if moment is not None and value is not None)


def parse_time(value: Any) -> datetime | None:
    """Read an ISO 8601 date-time; without an offset it is UTC. None for anything unreadable. ``pendulum.parse`` would
    accept more than the service sends: "now", a bare time of day, durations such as "P1D".
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def number(value: Any) -> float | None:
    """Read a number that can be stored as JSON, which NaN and infinity cannot. None for anything else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_NUMBER else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(value: Any) -> Mapping[str, Any]:
    # Decoded JSON is a dict, and that is checked faster than a Mapping.
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _raw(value: Any) -> str:
    return value if isinstance(value, str) else str(value or "")


def _items(data: Any) -> list[Any]:
    items = data["items"]
    if not isinstance(items, list):
        raise ValueError(f"the items of a page must be a list, not {type(items).__name__}")
    return items


_READ_LINE = itemgetter("timestamp", "raw")


def _lines(items: list[Any]) -> tuple[Line, ...]:
    try:
        lines = tuple(map(_READ_LINE, items))
    except (KeyError, TypeError):
        lines = tuple(
            (item.get("timestamp"), item["raw"]) for item in items if isinstance(item, dict) and "raw" in item
        )
    if set(map(type, chain.from_iterable(lines))) <= {str}:
        return lines
    return tuple([(_timestamp(timestamp), _raw(raw)) for timestamp, raw in lines])


def _timestamp(value: Any) -> str | int:
    if isinstance(value, str | int):
        return value
    return "" if value is None else str(value)


def _cursor(value: Any) -> str | int | None:
    return value if isinstance(value, str | int) and value != "" else None
