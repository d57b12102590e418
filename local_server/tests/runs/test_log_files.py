"""The log of a run as files: any order of writes, limits, a full disk, and a server that comes later."""

import errno
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherobots_local.runs.log import RunLog

T0 = 1_750_000_000_000_000_000

BLOCKS = st.tuples(st.just("append"), st.lists(st.text("ab", max_size=3), min_size=1, max_size=6))
LATE = st.tuples(st.just("insert"), st.integers(0, 30) | st.lists(st.integers(0, 30), max_size=6).map(tuple))


class Clock:
    """A clock that stands still unless it is moved, so that inserted lines fall between those of a block."""

    now = T0

    def time_ns(self) -> int:
        return self.now

    monotonic = staticmethod(time.monotonic)


@given(st.lists(st.one_of(BLOCKS, LATE, LATE), max_size=25), st.booleans())
def test_lines_are_in_the_order_of_time_and_then_of_arrival(steps: list[tuple[str, object]], again: bool) -> None:
    clock = Clock()
    expected: list[tuple[int, int, str]] = []
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("wherobots_local.runs.log.time", clock)
        log = RunLog(Path(folder) / "run")
        latest = 0
        for _, value in steps:
            if isinstance(value, int):
                log.insert(T0 + value, f"late\n{value}")
                expected.append((T0 + value, len(expected), f"late\n{value}"))
            elif isinstance(value, tuple):
                log.insert_all([(T0 + time, f"late\n{time}") for time in value])
                expected += [(T0 + time, len(expected) + n, f"late\n{time}") for n, time in enumerate(value)]
            elif isinstance(value, list):
                log.append("".join(f"{text}\r\n" for text in value).encode())
                for text in value:
                    latest = max(clock.now, latest + 1)
                    expected.append((latest, len(expected), text))
        expected.sort()
        if again:
            log = RunLog(Path(folder) / "run")
        found = log.lines
        assert [(line.timestamp, line.number, line.raw) for line in found] == expected
        for index in reversed(range(len(expected))):
            assert found[index].raw == expected[index][2]


def test_many_lines_are_inserted_at_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.append(b"started\nrunning\n")
    with pytest.MonkeyPatch.context() as patch:
        writes: list[int] = []

        def pwrite(file: int, data: bytes, offset: int, write: Any = os.pwrite) -> int:
            writes.append(offset)
            return int(write(file, data, offset))

        patch.setattr(os, "pwrite", pwrite)
        log.insert_all([(n, f"line {n}") for n in range(20_000)])
    assert len(writes) == 2
    found = log.lines
    assert (found[0].raw, found[19_999].raw, found[20_000].raw, found[20_001].raw) == (
        "line 0",
        "line 19999",
        "started",
        "running",
    )


def test_a_log_of_millions_of_lines_is_a_few_records(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for _ in range(40):
        log.append(b"\n" * 50_000)
    assert len(log.lines) == 2_000_000
    assert (tmp_path / "log.index").stat().st_size < 4096
    assert (tmp_path / "log.txt").read_bytes() == b"\n" * 2_000_000
    line = log.lines[1_234_567]
    assert (line.number, line.raw) == (1_234_567, "")


def test_late_lines_divide_only_the_blocks_that_they_belong_into(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for _ in range(40):
        log.append(b"\n" * 5_000)
    first, last = log.lines[0].timestamp, log.lines[-1].timestamp
    log.insert_all([(first, "second"), (last - 1, "last but one")])
    assert (log.lines[1].raw, log.lines[-2].raw) == ("second", "last but one")
    # Two of forty blocks.
    assert (tmp_path / "log.index").stat().st_size < 1_000_000


@pytest.mark.parametrize(("max_bytes", "kept"), [(150, 8), (10, 1)])
def test_the_limit_is_reported_once_and_the_rest_discarded(max_bytes: int, kept: int, tmp_path: Path) -> None:
    log = RunLog(tmp_path, max_bytes)
    log.append(b"0123456\n")
    log.append(b"0123456\n" * 7)
    log.append(b"0123456\n" * 7)
    assert log.full
    said = f"The log has reached the local server's limit of {max_bytes} bytes. Further lines are discarded."
    assert [line.raw for line in log.lines] == ["0123456"] * kept + [said]
    log.note("ERROR: why")
    assert log.lines[-1].raw == "ERROR: why"


def test_a_line_that_does_not_fit_is_cut_off(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 200)
    log.append(b"x" * 300)
    assert len(log.lines) == 1
    assert "200 bytes" in log.lines[0].raw


def test_a_full_disk_costs_lines_and_the_log_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog(tmp_path)
    log.append(b"before\n")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        for _ in range(3):
            log.append(b"lost\n")
        log.note("lost too")
        assert [line.raw for line in log.lines] == ["before"]
    log.append(b"after\n")
    log.append(b"last\n")
    expected = ["before", "Lines are lost here: No space left on device", "after", "last"]
    assert [line.raw for line in log.lines] == expected
    assert [line.raw for line in RunLog(tmp_path).lines] == expected


def test_half_a_record_is_no_line(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.append(b"a\n")
    log.append(b"b\n")
    index = tmp_path / "log.index"
    index.write_bytes(index.read_bytes()[:-3])
    log = RunLog(tmp_path)
    assert [line.raw for line in log.lines] == ["a"]
    log.append(b"c\n")
    assert [line.raw for line in log.lines] == ["a", "c"]


def test_the_last_lines_are_cut(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.append(b"a\nb\n" + b"x" * 10_000)
    assert log.last_lines(2) == ["b", "x" * 4096]
    assert log.last_lines(9)[0] == "a"
