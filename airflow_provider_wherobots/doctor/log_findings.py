"""What the recorded pages of a log say about the log: the cursor, late lines, times, and what becomes of a line."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.transcript import LogAnswer, Transcript
from airflow_provider_wherobots.doctor.trial import LOG, PROBE_LINES, SIZES, Trial, numbers
from airflow_provider_wherobots.doctor.verdicts import Finding, Verdict, not_seen
from airflow_provider_wherobots.flows.forward_logs import QUIET_LOOKS
from airflow_provider_wherobots.logs.records import read_time_ns

LAG_SECONDS = 60.0
"""The default of ``wait_post_run_logs_timeout_seconds``."""
MARGIN_SECONDS = 1
"""Added to the delay that was seen, for the proposed wait."""
NO_LOG = "the log was not read"
UNITS = {10: "seconds", 13: "milliseconds", 16: "microseconds", 19: "nanoseconds"}
"""The unit of a time since 1970, by its number of digits."""


def log_findings(transcript: Transcript, trial: Trial) -> list[Finding]:
    """Answer the open questions about logs.

    :param transcript: what was sent and answered.
    :param trial: the runs it was sent for.
    """
    run_id = trial.ids.get(LOG, "")
    pages = transcript.log_pages(run_id)
    return [
        _cursor(pages),
        _types(pages),
        _end(pages),
        _largest_page(transcript, run_id, pages),
        _forwarded(transcript, trial, pages),
        _late(transcript, run_id, pages),
        _times(pages),
        _order(pages),
        _specials(pages),
        _arguments(transcript, trial, pages),
        _machine(pages),
    ]


def _cursor(pages: Sequence[LogAnswer]) -> Finding:
    question = "What is a log cursor, and where does the next page begin?"
    assumed = "any of: a time (of the last line, or of the next one), a number of lines, a token; no line is skipped"
    probe = _probe(pages)
    whole = _longest(pages)
    if len(probe) < 2 or not whole:
        return not_seen(question, "no page named a next one", assumed)
    first, second = probe[:2]
    begins = _position(second.items, whole.items)
    if begins is None:
        return Finding(question, "the second page is no part of the log as read at once", Verdict.DIFFERS, assumed)
    count = len(first.items)
    what = _domain(first, whole)
    if begins > count:
        return Finding(question, f"{what}; the next page skips {begins - count} lines", Verdict.DIFFERS, assumed)
    where = "begins after it"
    if begins < count:
        where = f"begins with lines of this page again ({count - begins} of {count})"
    elif what == "a time: that of the next page's first line":
        where = "begins with that line"
    return Finding(question, f"{what}; the next page {where}", Verdict.ASSUMED, assumed)


def _domain(page: LogAnswer, whole: LogAnswer) -> str:
    text, count = str(page.next_page), len(page.items)
    if not (text.isascii() and text.isdigit()):
        return "a token without a visible meaning"
    if page.items and text == str(page.items[-1][0]):
        return "a time: that of the page's last line"
    if count < len(whole.items) and text == str(whole.items[count][0]):
        return "a time: that of the next page's first line"
    if int(text) == count:
        return "a number of lines"
    return f"a number of {len(text)} digits, which is neither a time of the page nor its number of lines"


def _types(pages: Sequence[LogAnswer]) -> Finding:
    question = "Are cursors and times of a log text or numbers?"
    assumed = "text or whole numbers; both are sent back unchanged"
    if not pages:
        return not_seen(question, NO_LOG, assumed)
    found = {
        "next_page": {type(page.next_page) for page in pages if page.next_page is not None},
        "current_page": {type(page.exchange.document.get("current_page")) for page in pages} - {type(None)},
        "timestamp": {type(time) for page in pages for time, _ in page.items},
    }
    words = {str: "text", int: "whole number"}
    parts = [
        f"{name}: {' and '.join(sorted(words.get(t, t.__name__) for t in ts))}" for name, ts in found.items() if ts
    ]
    fits = all(kind in words for kinds in found.values() for kind in kinds)
    return Finding(question, "; ".join(parts), Verdict.ASSUMED if fits else Verdict.DIFFERS, assumed)


def _end(pages: Sequence[LogAnswer]) -> Finding:
    question = "What is next_page on the last page?"
    assumed = "null, absent, the cursor that was sent, or a place as if there were more; none of them ends the reading"
    whole = _longest(pages)
    if whole is None:
        return not_seen(question, NO_LOG, assumed)
    last = _last_item(pages, whole)
    page = next(page for page in pages if page.items and page.items[-1] == last and page.size >= whole.size)
    if not page.has_next_page:
        answer = "absent"
    elif page.next_page is None:
        answer = "null"
    elif str(page.next_page) == page.cursor:
        answer = "equal to the cursor that was sent"
    else:
        answer = "a place as if there were more lines"
    return Finding(question, answer, Verdict.ASSUMED, assumed)


def _largest_page(transcript: Transcript, run_id: str, pages: Sequence[LogAnswer]) -> Finding:
    question = "How many lines may be requested at once?"
    assumed = "100 at least; more are requested, and fewer accepted"
    refused = [
        int(exchange.param("size") or 0)
        for exchange in transcript.of("getJobRunLogs", run_id)
        if exchange.status in (400, 413, 422) and exchange.param("cursor") == "0"
    ]
    refused = [size for size in refused if size in SIZES]
    whole = _longest(pages)
    if whole is None:
        verdict = Verdict.DIFFERS if refused else Verdict.NOT_SEEN
        return Finding(question, f"every size is refused, {min(refused)} too" if refused else NO_LOG, verdict, assumed)
    parts = []
    if refused:
        parts.append(f"{min(refused):,} are refused")
    total = len({item for page in pages for item in page.items})
    count = len(whole.items)
    if count < whole.size and count < total:
        parts.append(f"a page of {whole.size:,} is cut to {count:,}")
    else:
        parts.append(f"{count:,} are sent at once" + (", the whole log" if count >= total else ""))
    usable = not refused or whole.size >= 100
    return Finding(question, "; ".join(parts), Verdict.ASSUMED if usable else Verdict.DIFFERS, assumed)


def _forwarded(transcript: Transcript, trial: Trial, pages: Sequence[LogAnswer]) -> Finding:
    question = "Does the task log get every line once, in order?"
    assumed = "yes, read as a task reads it"
    if not pages or transcript.end(trial.ids.get(LOG, "")) is None:
        return not_seen(question, "the run did not end while it was observed" if pages else NO_LOG, assumed)
    problems = []
    for prefix, count in ((job.LINE, job.LINES), (job.ERROR_LINE, job.ERROR_LINES)):
        got = numbers(trial.forwarded, prefix)
        expected = list(range(1, count + 1))
        missing, twice = set(expected) - set(got), len(got) - len(set(got))
        kind = "standard error" if prefix == job.ERROR_LINE else "standard output"
        if missing:
            there = {number for page in pages for number in numbers((raw for _, raw in page.items), prefix)}
            late = f", {len(missing & there)} of which came too late" if missing & there else ""
            problems.append(f"{len(missing)} of {count} lines of {kind} are missing{late}")
        if twice:
            problems.append(f"{twice} lines of {kind} came twice")
        if not missing and not twice and got != expected:
            problems.append(f"lines of {kind} came out of order")
    lines = job.LINES + job.ERROR_LINES
    if problems:
        # Out of order is how the service inserts late lines; their own times put them right.
        handled = all("out of order" in problem for problem in problems)
        return Finding(question, "; ".join(problems), Verdict.HANDLED if handled else Verdict.DIFFERS, assumed)
    return Finding(
        question,
        f"yes: {lines:,} numbered lines, of standard output and of standard error",
        Verdict.ASSUMED,
        assumed,
    )


def _late(transcript: Transcript, run_id: str, pages: Sequence[LogAnswer]) -> Finding:
    question = "How long after the end of a run do lines come?"
    wait = f"{QUIET_LOOKS[-1]:.0f} s after the last new line, {LAG_SECONDS:.0f} s in all"
    assumed = f"the log is read until {wait}"
    end = transcript.end(run_id)
    last = _first_seen(pages, f"{job.LINE}{job.LINES} ")
    if end is None or last is None:
        why = "the last line was never seen" if end is not None and pages else "the run's end was not observed"
        return Finding(question, why, Verdict.DIFFERS if end and pages else Verdict.NOT_SEEN, assumed)
    seconds = last - end[0].at
    lag = _lag(pages)
    answer = f"the last line was there {max(0.0, seconds):.1f} s after the end was seen"
    if lag is not None:
        answer += f"; while the run was active, a line appeared about {lag:.1f} s after it was printed"
    enough = math.ceil(max(0.0, seconds)) + MARGIN_SECONDS
    if enough < QUIET_LOOKS[-1]:
        answer += f"; in this run wait_post_run_logs_timeout_seconds={enough} would have been enough"
    verdict = Verdict.ASSUMED if seconds <= QUIET_LOOKS[-1] else Verdict.HANDLED
    return Finding(question, answer, verdict, assumed)


def _times(pages: Sequence[LogAnswer]) -> Finding:
    question = "What is the time of a line: its unit, its resolution, its clock?"
    assumed = "seconds to nanoseconds since 1970, or ISO 8601; lines may share a time"
    stamps = {time for page in pages for time, _ in page.items}
    if not stamps:
        return not_seen(question, NO_LOG, assumed)
    read = {stamp: read_time_ns(stamp) for stamp in stamps}
    if None in read.values():
        return Finding(question, "some times cannot be read", Verdict.DIFFERS, assumed)
    one = str(next(iter(stamps)))
    unit = UNITS.get(len(one), f"a number of {len(one)} digits") if one.isdecimal() else "a text such as ISO 8601"
    step = math.gcd(*[ns for ns in read.values() if ns is not None])
    times = {item for page in pages for item in page.items}
    most = max(Counter(time for time, _ in times).values())
    behind = [(read[time] or 0) - printed for time, raw in times if (printed := _printed_ns(raw)) is not None]
    clock = f"; {median(behind) / 1e6:+.0f} ms against the script's clock" if behind else ""
    shared = "no two lines share one" if most == 1 else f"up to {most:,} lines share one"
    answer = f"{unit}; a multiple of {step:,} ns; {shared}{clock}"
    return Finding(question, answer, Verdict.ASSUMED, assumed)


def _order(pages: Sequence[LogAnswer]) -> Finding:
    question = "Are the lines of a page in the order in which they were printed, each once?"
    assumed = "any order; a page may repeat lines of the page before"
    whole = _longest(pages)
    if whole is None:
        return not_seen(question, NO_LOG, assumed)
    got = numbers((raw for _, raw in whole.items), job.LINE)
    times = [read_time_ns(time) or 0 for time, _ in whole.items]
    words = ["in order" if got == sorted(got) else "not in order"]
    if len(got) != len(set(got)):
        words.append(f"{len(got) - len(set(got))} lines twice on one page")
    words.append("sorted by time" if times == sorted(times) else "not sorted by time")
    fits = len(got) == len(set(got))
    return Finding(question, ", ".join(words), Verdict.ASSUMED if fits else Verdict.DIFFERS, assumed)


def _specials(pages: Sequence[LogAnswer]) -> Finding:
    question = "Do unusual lines arrive unchanged?"
    assumed = "yes; a changed line is shown as it arrives"
    raws = [raw for page in pages for _, raw in page.items]
    if not raws:
        return not_seen(question, NO_LOG, assumed)
    changed = []
    for name in job.SPECIALS:
        expected, begins = job.special_line(name), f"{job.SPECIAL}{name}: "
        found = [raw for raw in raws if raw.startswith(begins)]
        if expected in found:
            continue
        changed.append(f"{name}: {_how_changed(expected, found[0]) if found else 'missing'}")
    if "" not in raws:
        changed.append("the empty line: missing")
    if not changed:
        return Finding(question, f"yes: {', '.join(job.SPECIALS)}, and an empty one", Verdict.ASSUMED, assumed)
    return Finding(question, "; ".join(changed), Verdict.HANDLED, assumed)


def _how_changed(expected: str, found: str) -> str:
    if expected.startswith(found):
        return f"cut to {len(found):,} of {len(expected):,} characters"
    if found.startswith(expected):
        return f"{len(found) - len(expected)} characters longer"
    return "changed"


def _arguments(transcript: Transcript, trial: Trial, pages: Sequence[LogAnswer]) -> Finding:
    question = "Do the script's args arrive as they were sent?"
    assumed = "yes"
    facts = _facts(pages)
    create = transcript.create(trial.plan.name(LOG))
    if facts is None or create is None or create.sent is None:
        return not_seen(question, "the script's first line was not read", assumed)
    sent = list(create.sent["runPython"]["args"])[1:]
    got = facts.get("args")
    if not sent:
        return Finding(question, "unusual ones are refused when the run is created", Verdict.HANDLED, assumed)
    if got == sent:
        return Finding(question, "yes: with spaces, quotes, Unicode and an empty one", Verdict.ASSUMED, assumed)
    return Finding(question, f"no: {json.dumps(got, ensure_ascii=False)}", Verdict.DIFFERS, assumed)


def _machine(pages: Sequence[LogAnswer]) -> Finding:
    question = "What does the script run on?"
    assumed = "any Python 3"
    facts = _facts(pages)
    if facts is None:
        return not_seen(question, "the script's first line was not read", assumed)
    packages = ", ".join(map(str, facts.get("packages") or [])) or "none of pyspark, sedona, wherobots"
    answer = (
        f"Python {facts.get('python')}, {facts.get('system')}, {facts.get('cpus')} CPUs, output in "
        f"{facts.get('encoding')}, UTC offset {facts.get('utc_offset')}; packages: {packages}"
    )
    return Finding(question, answer, Verdict.ASSUMED, assumed)


# Pages.


def _probe(pages: Sequence[LogAnswer]) -> list[LogAnswer]:
    """The short pages, each requested with the cursor that the one before named."""
    return [page for page in pages if page.size == PROBE_LINES]


def _longest(pages: Sequence[LogAnswer]) -> LogAnswer | None:
    """The log as read at once, after the run's end: the last long page from the start."""
    found = [page for page in pages if page.cursor == "0" and page.size in SIZES and page.items]
    return found[-1] if found else None


def _last_item(pages: Sequence[LogAnswer], whole: LogAnswer) -> tuple[str | int, str]:
    """The last line of the log, as the pages after the longest one show it."""
    after = [page for page in pages if page.exchange.at >= whole.exchange.at and page.size == whole.size and page.items]
    return max((page.items[-1] for page in after), key=lambda item: read_time_ns(item[0]) or 0)


def _position(part: Sequence[Any], whole: Sequence[Any]) -> int | None:
    """Where a page begins in the log; the log may be cut before the page ends."""
    for start in range(len(whole)):
        length = min(len(part), len(whole) - start)
        if length and list(whole[start : start + length]) == list(part[:length]):
            return start
    return None


def _first_seen(pages: Sequence[LogAnswer], begins: str) -> float | None:
    return next(
        (page.exchange.ended_at for page in pages if any(raw.startswith(begins) for _, raw in page.items)), None
    )


def _lag(pages: Sequence[LogAnswer]) -> float | None:
    """The shortest time from a line's own time to its appearance, among the first lines, which came slowly."""
    lags = []
    for number in range(1, job.SLOW_LINES + 1):
        seen = _first_seen(pages, f"{job.LINE}{number} ")
        time = next(
            (time for page in pages for time, raw in page.items if raw.startswith(f"{job.LINE}{number} ")), None
        )
        read = None if time is None else read_time_ns(time)
        if seen is not None and read is not None:
            lags.append(seen - read / 1e9)
    return min(lags) if lags else None


def _printed_ns(raw: str) -> int | None:
    if not raw.startswith((job.LINE, job.ERROR_LINE)):
        return None
    printed = raw.rpartition(" ")[2]
    return int(printed) if printed.isdecimal() else None


def _facts(pages: Sequence[LogAnswer]) -> dict[str, Any] | None:
    raws = (raw for page in pages for _, raw in page.items)
    line = next((raw for raw in raws if raw.startswith(job.BEGIN)), None)
    try:
        facts = None if line is None else json.loads(line.removeprefix(job.BEGIN))
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None
