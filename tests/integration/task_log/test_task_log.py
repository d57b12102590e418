"""Records written to the task log, read back, and gone on with by another trigger."""

import asyncio
import json
import logging
import select
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.utils.log.file_task_handler import _interleave_logs

from airflow_provider_wherobots.compat import get_async_connection
from airflow_provider_wherobots.hooks import wherobots
from airflow_provider_wherobots.logs.records import LogRecord, RecordReader
from airflow_provider_wherobots.task_log import resume
from airflow_provider_wherobots.task_log.entries import (
    Entry,
    _from_one_place,
    is_structured,
    read_entries,
    record_writer,
)
from airflow_provider_wherobots.task_log.resume import ResumedLog
from airflow_provider_wherobots.triggers.run import WherobotsRunTrigger
from wherobots_local.control.client import ControlClient

T0 = 1_795_593_600_123_456_789
FIRST = "Following run r1"

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


def records(first: int, last: int, per_time: int = 5) -> list[LogRecord]:
    return [
        LogRecord(T0 + n // per_time * 10**6, (logging.INFO, logging.ERROR)[n % 2], f"line {n} | 100 % {{done}}")
        for n in range(first, last)
    ]


def entries(path: Path) -> list[Entry]:
    return list(read_entries(path.read_text().splitlines(keepends=True)))


def attempt(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    """A task instance whose logs lie in a folder."""
    settings = {
        "base_log_folder": str(folder),
        "log_filename_template": "{{ ti.task_id }}/attempt={{ try_number }}.log",
    }
    monkeypatch.setattr(resume, "conf", SimpleNamespace(get=lambda section, option: settings[option]))
    (folder / "task").mkdir()
    return SimpleNamespace(task_id="task", try_number=1)


async def begun(logger: Any, ti: Any) -> ResumedLog:
    """The log of a trigger that has begun."""
    log = ResumedLog(logger, ti)
    await log.begin(FIRST)
    return log


def test_what_is_written_is_read_back(tmp_path: Path, log_to: LogTo) -> None:
    logger = log_to(tmp_path / "log")
    for record in records(0, 12):
        record_writer(logger)(record)
    found = entries(tmp_path / "log")
    assert [(entry.level, entry.text) for entry in found] == [(r.level, r.text) for r in records(0, 12)]
    assert [(entry.time_us or 0) // 1000 for entry in found] == [(r.time_ns or 0) // 10**6 for r in records(0, 12)]


def test_a_line_does_not_tell_where_in_the_provider_it_was_written(tmp_path: Path, log_to: LogTo) -> None:
    """Another version of the provider would write it from elsewhere, and Airflow then takes it for another line."""
    record_writer(log_to(tmp_path / "log"))(records(0, 1)[0])
    (entry,) = entries(tmp_path / "log")
    names = ("filename", "lineno") if is_structured() else ("file", "line")
    assert [str(entry.fields[name]) for name in names] == ["wherobots", "0"]


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
    by_airflow, by_us = entries(tmp_path / "log")
    assert by_us.text == by_airflow.text
    assert set(by_us.fields) == set(by_airflow.fields)


@pytest.mark.skipif(not is_structured(), reason="Airflow 2.11 writes the name of the level")
def test_a_line_is_written_though_its_level_was_renamed(tmp_path: Path, log_to: LogTo) -> None:
    name = logging.getLevelName(logging.WARNING)
    logging.addLevelName(logging.WARNING, f"\x1b[33m{name}\x1b[0m")
    try:
        record_writer(log_to(tmp_path / "log"))(LogRecord(T0, logging.WARNING, "low on memory"))
    finally:
        logging.addLevelName(logging.WARNING, name)
    assert [(entry.level, entry.text) for entry in entries(tmp_path / "log")] == [(logging.WARNING, "low on memory")]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_a_debug_line_is_one_unless_the_log_would_drop_it(tmp_path: Path, log_to: LogTo, level: int) -> None:
    record_writer(log_to(tmp_path / "log", level))(LogRecord(T0, logging.DEBUG, "a detail"))
    assert [(entry.level, entry.text) for entry in entries(tmp_path / "log")] == [(level, "a detail")]


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
def test_airflow_shows_equal_lines_in_order(tmp_path: Path, log_to: LogTo, microseconds: list[int], text: str) -> None:
    write, texts = record_writer(log_to(tmp_path / "log")), text.split()
    second = T0 // 10**9 * 10**9
    lines = [(str(second + at * 1000), word) for at, word in zip(microseconds, texts, strict=True)]
    for some in RecordReader().steps(lines):
        for record in some:
            write(record)
    assert [shown.split()[-1] for shown in shown_of(tmp_path / "log")] == texts


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_two_triggers_write_it_once(tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    ti = attempt(monkeypatch, tmp_path)
    one, two = tmp_path / "task/attempt=1.log.trigger.1.log", tmp_path / "task/attempt=1.log.trigger.2.log"

    async def follow(path: Path, notes: int, lines: int) -> None:
        logger = log_to(path)
        logger.info("trigger starting")
        log = await begun(logger, ti)
        for n in range(notes):
            logger.warning(f"note {n}")
        for record in records(0, lines):
            log.write(record)

    asyncio.run(follow(one, 3, 23))
    with one.open("r+b") as file:
        file.truncate(one.stat().st_size - cut)
    whole = entries(one)[2:]
    assert len(whole) == (3 + 22 if cut else 3 + 23)
    asyncio.run(follow(two, 0, 30))
    assert entries(two)[2 : 2 + len(whole)] == whole
    assert [entry.text for entry in entries(two)[2:]] == [
        *(f"note {n}" for n in range(3)),
        *(record.text for record in records(0, 30)),
    ]


def test_without_that_airflow_would_show_lines_of_one_millisecond_twice(tmp_path: Path, log_to: LogTo) -> None:
    """Why a log is resumed at all. If this fails, Airflow merges better, and the log can just be forwarded again."""
    one, two = tmp_path / "trigger.1.log", tmp_path / "trigger.2.log"
    for path, notes in ((one, 3), (two, 1)):
        logger = log_to(path)
        for number in range(notes):
            logger.info(f"note {number}")
        for record in records(0, 30):
            record_writer(logger)(record)
    shown = [line for line in shown_of(one, two) if "line " in line]
    assert len(shown) > 30


@pytest.mark.parametrize("notes", [3, 2, 1])
def test_a_long_log_is_in_slices(tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch, notes: int) -> None:
    ti, lines, slices = attempt(monkeypatch, tmp_path), records(0, 3_000), []
    one, two = tmp_path / "task/attempt=1.log.trigger.1.log", tmp_path / "task/attempt=1.log.trigger.2.log"
    read_slice = ResumedLog._read_slice

    async def counted(log: ResumedLog, path: Path) -> list[Entry]:
        found = await read_slice(log, path)
        slices.append(len(found))
        return found

    monkeypatch.setattr(ResumedLog, "_read_slice", counted)

    async def follow(path: Path, notes: int, lines: list[LogRecord]) -> list[int]:
        log = await begun(log_to(path), ti)
        read_before = slices.copy()
        for number in range(notes):
            await log.room()
            log.note(logging.WARNING, f"note {number}")
        for number, record in enumerate(lines):
            if number % 30 == 0:
                await log.room()
            if number == 1_500 and path == one:
                log.note(logging.INFO, "half of it")
            log.write(record)
        return read_before

    asyncio.run(follow(one, 3, lines[:2_503]))
    slices.clear()
    assert len(asyncio.run(follow(two, notes, lines))) == 1, "before the run is followed, one slice is read"
    assert max(slices) < 300
    assert [entry.text for entry in entries(two) if entry.text.startswith("line")] == [line.text for line in lines]
    assert "half of it" in [entry.text for entry in entries(two)]
    shown = [line for line in shown_of(one, two) if "line " in line]
    assert all(line.endswith(record.text) for line, record in zip(shown, lines, strict=True))


@pytest.mark.parametrize("count", [18, 19, 24, 25])
def test_lines_that_fill_slices_are_shown_once(
    tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """The end of the earlier file is reached after a message, and before the first line."""
    ti = attempt(monkeypatch, tmp_path)
    one, two = tmp_path / "task/attempt=1.log.trigger.1.log", tmp_path / "task/attempt=1.log.trigger.2.log"
    lines = [record._replace(text=f"{record.text} {'x' * 3_000}") for record in records(0, count)]

    async def follow(path: Path) -> None:
        log = await begun(log_to(path), ti)
        await log.room()
        log.note(logging.INFO, "Run r1 is RUNNING")
        for line in lines:
            await log.room()
            log.write(line)

    asyncio.run(follow(one))
    asyncio.run(follow(two))
    shown = [line for line in shown_of(one, two) if "line " in line]
    assert all(line.endswith(record.text) for line, record in zip(shown, lines, strict=True))


def test_a_log_is_resumed_without_threads(tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch) -> None:
    ti = attempt(monkeypatch, tmp_path)
    written_by_an_earlier_trigger(tmp_path / "task/attempt=1.log.trigger.1.log", log_to, "one", "two")
    path = tmp_path / "task/attempt=1.log.trigger.2.log"

    async def resume_while_they_are_busy() -> None:
        loop, may_end = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, may_end.wait)
        try:
            await asyncio.wait_for(begun(log_to(path), ti), 60)
        finally:
            may_end.set()
            await busy

    asyncio.run(resume_while_they_are_busy())
    assert [entry.text for entry in entries(path)] == [FIRST, "one", "two"]


def test_a_first_trigger_has_nothing_to_resume(tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch) -> None:
    ti = attempt(monkeypatch, tmp_path)
    (tmp_path / "task/attempt=1.log.trigger.7.log").write_text("something else\n")
    log = asyncio.run(begun(log_to(tmp_path / "log"), ti))
    log.write(records(0, 1)[0])
    assert [entry.text for entry in entries(tmp_path / "log")] == [FIRST, records(0, 1)[0].text]


def test_logs_that_cannot_be_found_are_no_matter(tmp_path: Path, log_to: LogTo) -> None:
    asyncio.run(begun(log_to(tmp_path / "log"), None))
    assert [entry.text for entry in entries(tmp_path / "log")] == [FIRST]


def test_text_of_several_lines_is_one_record() -> None:
    found = read_entries(
        ["[2026-11-25T08:00:00.001+0000] {run.py:7} ERROR - Traceback\n", "  at x \n", "ValueError\n", "cut"]
    )
    assert list(found) == [
        Entry(1795593600001000, logging.ERROR, "Traceback\n  at x \nValueError", {"file": "run.py", "line": "7"})
    ]


def written_by_an_earlier_trigger(path: Path, log_to: LogTo, *texts: str) -> None:
    logger = log_to(path)
    logger.info(FIRST)
    for n, text in enumerate(texts):
        record_writer(logger)(LogRecord(T0 + n, logging.INFO, text))


@pytest.mark.skipif(not is_structured(), reason="2.11 writes no JSON")
@pytest.mark.parametrize("odd", ['"event": {"a": 1}', '"event": "x", "self": 1', '"event": null', '"event": "\\ud800"'])
def test_an_odd_record_of_an_earlier_trigger_does_not_end_this_one(
    tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    ti = attempt(monkeypatch, tmp_path)
    one, two = tmp_path / "task/attempt=1.log.trigger.1.log", tmp_path / "task/attempt=1.log.trigger.2.log"
    written_by_an_earlier_trigger(one, log_to, "a line")
    with one.open("a") as file:
        file.write('{"timestamp": "2026-11-25T08:00:00.000001Z", "level": "info", ' + odd + "}\n")
    log = asyncio.run(begun(log_to(two), ti))
    log.write(LogRecord(T0, logging.INFO, "a line"))
    log.write(LogRecord(T0 + 10**6, logging.INFO, "the next"))
    assert [entry.text for entry in entries(two)[:2]] == [FIRST, "a line"]
    assert [entry.text for entry in entries(two)].count("a line") == 1
    assert entries(two)[-1].text == "the next"


def test_a_connections_record_is_not_copied(tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 2.11 writes it. One record more, and equal lines are no longer at the same place in both files."""
    ti = attempt(monkeypatch, tmp_path)
    one, two = tmp_path / "task/attempt=1.log.trigger.1.log", tmp_path / "task/attempt=1.log.trigger.2.log"
    reads = "Retrieving connection 'wherobots_default'"
    written_by_an_earlier_trigger(one, log_to, reads, "a line")
    logger = log_to(two)
    log = asyncio.run(begun(logger, ti))
    logger.info(reads)
    log.write(LogRecord(T0 + 1, logging.INFO, "a line"))
    assert [entry.text for entry in entries(two)] == [FIRST, "a line", reads]


def test_a_masked_line_is_known_again(tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch) -> None:
    ti = attempt(monkeypatch, tmp_path)
    one, two = tmp_path / "task/attempt=1.log.trigger.1.log", tmp_path / "task/attempt=1.log.trigger.2.log"
    written_by_an_earlier_trigger(one, log_to, "user *** key ***!", "key ***", "*** a banner ***")
    log = asyncio.run(begun(log_to(two), ti))
    for text in ("user airflow key airflow!", "key airflow", "*** a banner ***", "key airflow"):
        log.write(LogRecord(T0, logging.INFO, text))
    assert [entry.text for entry in entries(two)[1:]] == [
        "user *** key ***!",
        "key ***",
        "*** a banner ***",
        # Once more than the earlier trigger has it.
        "key airflow",
    ]


@pytest.mark.parametrize(
    ("text", "masked", "could"),
    [
        ("key=abc", "key=***", True),
        ("abc and abc", "*** and ***", True),
        ("abc", "***", True),
        ("key", "key", False),
        ("key=abc", "token=***", False),
        ("key=abc", "key=***!", False),
        ("aba", "ab***ba", False),
        ("a-b", "a***-***-***b", False),
        ("x" * 10_000, "***x" * 2_000 + "y***", False),
    ],
)
def test_what_a_masked_line_may_have_been(text: str, masked: str, could: bool) -> None:
    assert resume.could_be(text, masked) is could


@pytest.mark.skipif(is_structured(), reason="3.x begins a trigger's file anew")
def test_a_trigger_that_returns_doubles_none(tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch) -> None:
    ti = attempt(monkeypatch, tmp_path)
    ti.triggerer_job = SimpleNamespace(id=1)
    own, other = tmp_path / "task/attempt=1.log.trigger.1.log", tmp_path / "task/attempt=1.log.trigger.2.log"
    written_by_an_earlier_trigger(own, log_to, "a", "b")
    written_by_an_earlier_trigger(other, log_to, "a", "b", "c")
    log = asyncio.run(begun(log_to(own), ti))
    for n, text in enumerate("abcd"):
        log.write(LogRecord(T0 + n, logging.INFO, text))
    assert [entry.text for entry in entries(own)] == [FIRST, "a", "b", FIRST, "c", "d"]


@pytest.mark.parametrize("unlucky", [1, 2])
def test_no_line_is_shown_twice_though_a_trigger_could_not_read_the_connection_at_once(
    conn_id: str, control: ControlClient, tmp_path: Path, log_to: LogTo, monkeypatch: pytest.MonkeyPatch, unlucky: int
) -> None:
    ti = attempt(monkeypatch, tmp_path)
    # Ten lines share a millisecond.
    lines = [f"line {n}" for n in range(60)]
    run_id = control.create_run("long-log")["id"]
    control.patch_run(run_id, status="RUNNING")
    control.insert_logs(
        run_id, [{"timestamp": T0 + n // 10 * 10**6 + n % 10, "raw": line} for n, line in enumerate(lines)]
    )

    async def follow(number: int) -> Path:
        path = tmp_path / f"task/attempt=1.log.trigger.{number}.log"
        trigger = WherobotsRunTrigger(
            conn_id, {"run_id": run_id, "started_at": time.time(), "wait_post_run_logs_timeout_seconds": 0}
        )
        trigger.task_instance = ti
        failures = [OSError("the API server is starting")] * (number == unlucky)

        async def read(conn_id: str) -> Any:
            if failures:
                raise failures.pop()
            return await get_async_connection(conn_id)

        monkeypatch.setattr(type(trigger), "log", log_to(path))
        monkeypatch.setattr(wherobots, "get_async_connection", read)
        following = asyncio.create_task(first_of(trigger.run()))
        async with asyncio.timeout(60):
            while number == 1 and lines[-1] not in path.read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        if number == 1:
            following.cancel()
        await asyncio.wait({following})
        return path

    one = asyncio.run(follow(1))
    control.patch_run(run_id, status="COMPLETED")
    two = asyncio.run(follow(2))
    shown = [line for line in shown_of(one, two) if "line " in line]
    assert all(line.endswith(text) for line, text in zip(shown, lines, strict=True)), shown


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
