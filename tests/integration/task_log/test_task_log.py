"""Lines of a run as records of the task log, and what Airflow's log reader shows of them."""

import asyncio
import json
import logging
import re
import select
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.utils.log.file_task_handler import _interleave_logs

from airflow_provider_wherobots.logs.records import LogRecord, RecordReader
from airflow_provider_wherobots.task_log.writer import _from_one_place, is_structured, record_writer
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from tests.support.log_account import account, clean
from wherobots_local.control.client import ControlClient

T0 = 1_795_593_600_123_456_789
TEXT = re.compile(
    r"\[(?P<timestamp>[^\]]+)\] \{(?P<filename>[^:}]*):(?P<lineno>\d+)\} (?P<level>[A-Z]+) - (?P<event>.*)"
)

LogTo = Callable[..., Any]


@pytest.fixture
def log_to() -> Iterator[LogTo]:
    """Loggers that write to files in the form this Airflow's own do."""
    opened: list[Any] = []

    def structured(file: Path | int, level: int = logging.INFO) -> Any:
        import structlog

        # A triggerer writes to a socket, without a buffer.
        opened.append(file.open("wb") if isinstance(file, Path) else FileIO(file, "wb", closefd=False))
        return structlog.wrap_logger(
            structlog.BytesLogger(opened[-1]),
            processors=[
                structlog.stdlib.add_log_level,
                structlog.processors.MaybeTimeStamper(fmt="iso", utc=True),
                structlog.processors.CallsiteParameterAdder(
                    [structlog.processors.CallsiteParameter.FILENAME, structlog.processors.CallsiteParameter.LINENO]
                ),
                structlog.processors.JSONRenderer(lambda document, **_: json.dumps(document).encode()),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        )

    def text(path: Path | int, level: int = logging.INFO) -> Any:
        handler = logging.FileHandler(str(path), encoding="utf-8")
        opened.append(handler)
        format = "[%(asctime)s.%(msecs)03d+0000] {%(filename)s:%(lineno)d} %(levelname)s - %(message)s"
        formatter = logging.Formatter(format, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
        logger = logging.Logger("trigger", level)
        logger.addHandler(handler)
        return logger

    yield structured if is_structured() else text
    for file in opened:
        file.close()


def records(first: int, last: int, per_time: int = 1) -> list[LogRecord]:
    return [
        LogRecord(T0 + n // per_time * 10**6, (logging.INFO, logging.ERROR)[n % 2], f"line {n} | 100 % {{done}}")
        for n in range(first, last)
    ]


def test_what_is_written_is_shown_with_its_own_time_and_level(tmp_path: Path, log_to: LogTo) -> None:
    write = record_writer(log_to(tmp_path / "log"))
    for record in records(0, 12):
        write(record)
    for record, shown in zip(records(0, 12), fields_of(tmp_path / "log"), strict=True):
        assert (shown["event"], shown["level"]) == (record.text, logging.getLevelName(record.level).lower())
        assert shown["ms"] == (record.time_ns or 0) // 10**6
        # Another version of the provider writes it from elsewhere, and Airflow would take it for another line.
        assert (shown["filename"], int(shown["lineno"])) == ("wherobots", 0)


@pytest.mark.skipif(not is_structured(), reason="Airflow 2.11 logs without structlog")
def test_structlog_keeps_what_a_logger_is_made_of_where_it_is_looked_for(tmp_path: Path, log_to: LogTo) -> None:
    """``_logger``, ``_processors`` and ``_context`` are private. If they move, each line costs a quarter more time."""
    logger = log_to(tmp_path / "task.log")
    assert _from_one_place(logger) is not logger


@pytest.mark.skipif(not is_structured(), reason="Airflow 2.11 logs without structlog")
def test_a_logger_that_keeps_it_elsewhere_is_used_as_it_is() -> None:
    from structlog import BoundLoggerBase

    logger = SimpleNamespace(bind=lambda: BoundLoggerBase.__new__(BoundLoggerBase))
    assert _from_one_place(logger) is logger


def test_a_line_is_masked_as_any_other_record(tmp_path: Path, log_to: LogTo) -> None:
    logger, token = log_to(tmp_path / "log"), "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    logger.info(f"token {token}")
    record_writer(logger)(records(0, 1)[0]._replace(text=f"token {token}"))
    by_airflow, by_us = fields_of(tmp_path / "log")
    assert by_us["event"] == by_airflow["event"]
    assert set(by_us) == set(by_airflow)


@pytest.mark.skipif(not is_structured(), reason="Airflow 2.11 writes the name of the level")
def test_a_line_is_written_though_its_level_was_renamed(tmp_path: Path, log_to: LogTo) -> None:
    name = logging.getLevelName(logging.WARNING)
    logging.addLevelName(logging.WARNING, f"\x1b[33m{name}\x1b[0m")
    try:
        record_writer(log_to(tmp_path / "log"))(LogRecord(T0, logging.WARNING, "low on memory"))
    finally:
        logging.addLevelName(logging.WARNING, name)
    assert [(shown["level"], shown["event"]) for shown in fields_of(tmp_path / "log")] == [("warning", "low on memory")]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_a_debug_line_is_one_unless_the_log_would_drop_it(tmp_path: Path, log_to: LogTo, level: int) -> None:
    record_writer(log_to(tmp_path / "log", level))(LogRecord(T0, logging.DEBUG, "a detail"))
    (shown,) = fields_of(tmp_path / "log")
    assert (shown["level"], shown["event"]) == (logging.getLevelName(level).lower(), "a detail")


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        ([0, 0, 0, 0], "tick tick tick tick"),
        ([999, 999, 1000], "tick tick tick"),
        ([998, 998, 999], "tick tick tick"),
        ([994, 997, 998], "tick tick tick"),
        ([999, 999, 999], "tick tick end"),
        ([900, 901, 902, 1900, 1901], "tick tick end tick tick"),
        ([*range(0, 6_000, 3)], "tick " * 2_000),
        ([*[0] * 2_000, 1000], "tick " * 2_000 + "end"),
    ],
)
def test_airflow_shows_all_equal_lines_in_order(
    tmp_path: Path, log_to: LogTo, microseconds: list[int], text: str
) -> None:
    texts, second = text.split(), T0 // 10**9 * 10**9
    lines = [(str(second + at * 1000), word) for at, word in zip(microseconds, texts, strict=True)]
    forward(log_to(tmp_path / "log"), lines)
    assert [shown.split()[-1] for shown in shown_of(tmp_path / "log")] == texts


@pytest.mark.parametrize("per_ms", [1, 5, 700])
@pytest.mark.parametrize(("notes", "notes_of_the_next"), [(0, 0), (3, 1), (1, 3), (40, 0)])
def test_the_log_of_two_triggers_is_shown_whole_once_and_in_order(
    tmp_path: Path, log_to: LogTo, per_ms: int, notes: int, notes_of_the_next: int
) -> None:
    """The first one died; the next one forwards the log again from its beginning."""
    lines = [(str(T0 + number // per_ms * 10**6), f"line {number:06d} of the log") for number in range(4_000)]
    one, two = tmp_path / "trigger.1.log", tmp_path / "trigger.2.log"
    forward(log_to(one), lines[:3_000], notes)
    forward(log_to(two), lines, notes_of_the_next)
    assert account(4_000, shown_of(one, two)) == clean(4_000)


def forward(logger: Any, lines: Sequence[tuple[str, str]], notes: int = 0) -> None:
    """Write lines as a trigger does that has a message to write after each hundred of them."""
    write, reader = record_writer(logger), RecordReader()
    for number in range(0, len(lines), 100):
        if number // 100 < notes:
            logger.info(f"message {number}")
        for some in reader.steps(lines[number : number + 100]):
            for record in some:
                write(record)


@pytest.mark.skipif(not is_structured(), reason="a thread of Airflow 2.11 writes the log, not the event loop")
def test_a_supervisor_that_does_not_read_the_log_does_not_block_the_event_loop(
    conn_id: str, control: ControlClient, log_to: LogTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten times what the socket holds.
    lines = [f"line {number} {'x' * 200}" for number in range(2000)]
    run_id = control.create_run("long-log")["id"]
    control.insert_logs(run_id, [{"timestamp": T0 + number, "raw": line} for number, line in enumerate(lines)])
    control.patch_run(run_id, status="COMPLETED")
    trigger = WherobotsRunTrigger(
        conn_id, {"run_id": run_id, "started_at": time.time(), "wait_post_run_logs_timeout_seconds": 0}
    )
    writer, reader = socket.socketpair()
    reader.setblocking(False)
    received = bytearray()

    async def main() -> Any:
        following = asyncio.create_task(first_of(trigger.run()))
        async with asyncio.timeout(60):
            while not control.requests("getJobRunLogs"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert not following.done()
        while not following.done():
            receive(reader, received)
            await asyncio.sleep(0.01)
        receive(reader, received)
        return await following

    with writer, reader:
        monkeypatch.setattr(type(trigger), "log", log_to(writer.fileno()))
        event = asyncio.run(main())
    assert event.payload["ending"] == "completed"
    texts = [json.loads(record)["event"] for record in received.decode().splitlines()]
    assert [text for text in texts if text.startswith("line ")] == lines


@pytest.mark.skipif(not is_structured(), reason="a thread of Airflow 2.11 writes the log, not the event loop")
def test_the_event_waits_until_the_supervisor_has_read_the_log(
    conn_id: str, control: ControlClient, log_to: LogTo, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = control.create_run("short-log")["id"]
    control.insert_logs(run_id, [{"timestamp": T0, "raw": "the last line"}])
    control.patch_run(run_id, status="COMPLETED")
    trigger = WherobotsRunTrigger(
        conn_id, {"run_id": run_id, "started_at": time.time(), "wait_post_run_logs_timeout_seconds": 0}
    )
    writer, reader = socket.socketpair()
    reader.setblocking(False)

    async def main() -> bytes:
        following = asyncio.create_task(first_of(trigger.run()))
        async with asyncio.timeout(60):
            while b"COMPLETED: " not in (written := reader.recv(65_536, socket.MSG_PEEK) if readable(reader) else b""):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        for _ in range(5):
            await asyncio.sleep(0.1)
            assert not following.done()
        received = bytearray()
        receive(reader, received)
        await following
        assert not readable(reader)
        assert received.startswith(written)
        return bytes(received)

    with writer, reader:
        monkeypatch.setattr(type(trigger), "log", log_to(writer.fileno()))
        assert b"the last line" in asyncio.run(main())


def readable(reader: socket.socket) -> bool:
    return bool(select.select([reader], [], [], 0)[0])


async def first_of(events: AsyncIterator[Any]) -> Any:
    return await anext(events)


def receive(reader: socket.socket, received: bytearray) -> None:
    with suppress(BlockingIOError):
        while some := reader.recv(65_536):
            received += some


def shown_of(*paths: Path) -> list[str]:
    """What Airflow's log view shows of log files."""
    texts: list[Any] = [path.read_text() for path in paths]
    shown = _interleave_logs(*(iter(text.splitlines()) if is_structured() else text for text in texts))
    return [str(getattr(line, "event", line)) for line in shown]


def fields_of(path: Path) -> list[dict[str, Any]]:
    """The records of a log file, with their times in milliseconds."""
    found = []
    for line in path.read_text().splitlines():
        fields = json.loads(line) if is_structured() else TEXT.fullmatch(line).groupdict()  # type: ignore[union-attr]
        moment = datetime.fromisoformat(fields.pop("timestamp"))
        found.append({**fields, "level": fields["level"].lower(), "ms": round(moment.timestamp() * 1000)})
    return found
