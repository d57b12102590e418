"""What was sent to the service and what it answered, as recorded: the only input of the findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_wherobots.api.runs.models import Run, parse_time


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call that was sent, and its answer.

    :param operation: operation id.
    :param path: path below the host.
    :param params: query parameters.
    :param sent: the request's body, or None.
    :param at: when it was sent, in epoch seconds of this machine.
    :param seconds: how long the answer took.
    :param status: HTTP status; None if there was no answer.
    :param document: the decoded JSON of the answer, or None.
    :param date: the ``Date`` header of the answer, or None.
    """

    operation: str
    path: str
    params: tuple[tuple[str, str], ...]
    sent: Mapping[str, Any] | None
    at: float
    seconds: float
    status: int | None
    document: Any = field(default=None, repr=False)
    date: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the answer is a 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def ended_at(self) -> float:
        """When the answer was there, in epoch seconds of this machine."""
        return self.at + self.seconds

    def param(self, name: str) -> str | None:
        """The value of a query parameter, or None.

        :param name: its name.
        """
        return dict(self.params).get(name)


@dataclass(frozen=True, slots=True)
class LogAnswer:
    """A page of a log as received.

    :param exchange: the call.
    :param items: its lines: time and text.
    """

    exchange: Exchange
    items: tuple[tuple[str | int, str], ...]

    @property
    def cursor(self) -> str:
        """The cursor that was sent."""
        return self.exchange.param("cursor") or ""

    @property
    def size(self) -> int:
        """The number of lines that was requested."""
        return int(self.exchange.param("size") or 100)

    @property
    def has_next_page(self) -> bool:
        """Whether there is a field ``next_page``, even if it is null."""
        return "next_page" in self.exchange.document

    @property
    def next_page(self) -> Any:
        """The field ``next_page``."""
        return self.exchange.document.get("next_page")


class Transcript:
    """The exchanges of one run of the doctor, in order.

    :param exchanges: the exchanges.
    """

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._exchanges = exchanges

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._exchanges)

    def of(self, operation: str, run_id: str | None = None) -> list[Exchange]:
        """The exchanges of one operation.

        :param operation: operation id.
        :param run_id: only those of this run; None takes all.
        """
        return [
            exchange
            for exchange in self._exchanges
            if exchange.operation == operation and (run_id is None or exchange.path.split("/")[2:3] == [run_id])
        ]

    def create(self, name: str) -> Exchange | None:
        """The create of a run that succeeded, or None.

        :param name: the run's name.
        """
        found = [e for e in self.of("createJobRun") if e.succeeded and e.sent is not None and e.sent["name"] == name]
        return found[-1] if found else None

    def statuses(self, run_id: str) -> list[tuple[Exchange, Run]]:
        """Every answer about a run that could be read.

        :param run_id: its id.
        """
        found = []
        for exchange in self.of("getJobRun", run_id):
            try:
                if exchange.succeeded:
                    found.append((exchange, Run.from_json(exchange.document)))
            except ValueError:
                continue
        return found

    def end(self, run_id: str) -> tuple[Exchange, Run] | None:
        """The first answer in which the run has ended, or None.

        :param run_id: its id.
        """
        return next(((exchange, run) for exchange, run in self.statuses(run_id) if run.is_terminal), None)

    def log_pages(self, run_id: str) -> list[LogAnswer]:
        """Every page of a run's log that could be read.

        :param run_id: its id.
        """
        found = []
        for exchange in self.of("getJobRunLogs", run_id):
            try:
                if exchange.succeeded:
                    items = tuple((item["timestamp"], str(item["raw"])) for item in exchange.document["items"])
                    found.append(LogAnswer(exchange, items))
            except (KeyError, TypeError):
                continue
        return found


def seconds_between(earlier: Any, later: Any) -> float | None:
    """Seconds between two of the service's times; None if one is unreadable.

    :param earlier: ISO 8601.
    :param later: ISO 8601.
    """
    begin, end = parse_time(earlier), parse_time(later)
    return None if begin is None or end is None else (end - begin).total_seconds()
