"""Results of a trial about logs: where pages begin, how long they are, and missing, late or changed lines."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from airflow_provider_wherobots.api.errors import BadRequestError
from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, Line, LogPage
from airflow_provider_wherobots.doctor import job
from airflow_provider_wherobots.doctor.check import Reading, State
from airflow_provider_wherobots.doctor.trial import LOG, PROBE_LINES, SIZES, Exchange, Trial, numbers, printed
from airflow_provider_wherobots.flows.forward_logs import MIN_QUIET_SECONDS

LAST_TIME = "a time: that of the page's last line"
NEXT_TIME = "a time: that of the next page's first line"
MARGIN_SECONDS = 1
"""Added to the measured delay, for the proposed wait."""


def next_page(trial: Trial) -> Reading | None:
    """What the cursor means to the service, found by comparing short pages with the whole log."""
    pages = [page for exchange, page in trial.pages() if exchange.param("size") == str(PROBE_LINES)]
    whole = _whole(trial)
    if len(pages) < 2 or not whole:
        return None
    first, second = pages[:2]
    begins, count = _position(second.lines, whole[0].lines), len(first.lines)
    what, kind = _what(first, whole[0]), "text" if isinstance(first.next_page, str) else "a whole number"
    if begins is None:
        return f"{what}, as {kind}; the second page is no part of the log as read at once", State.DIFFERS
    if begins > count:
        return f"{what}, as {kind}; the next page skips {begins - count} lines", State.DIFFERS
    where = "begins after it"
    if begins < count:
        where = f"begins with lines of this page again ({count - begins} of {count})"
    elif what == NEXT_TIME:
        where = "begins with that line"
    return f"{what}, as {kind}; the next page {where}; on the last page {_at_end(trial, whole)}", State.ASSUMED


def _what(page: LogPage, whole: LogPage) -> str:
    text, count = str(page.next_page), len(page.lines)
    if not (text.isascii() and text.isdigit()):
        return "a token without a visible meaning"
    if page.lines and text == str(page.lines[-1][0]):
        return LAST_TIME
    if count < len(whole.lines) and text == str(whole.lines[count][0]):
        return NEXT_TIME
    if int(text) == count:
        return "a number of lines"
    return f"a number of {len(text)} digits, which is neither a time of the page nor its number of lines"


def _position(part: Sequence[Line], whole: Sequence[Line]) -> int | None:
    """Where a page begins in the log, which may be cut before the page ends."""
    for start in range(len(whole)):
        length = min(len(part), len(whole) - start)
        if length and whole[start : start + length] == part[:length]:
            return start
    return None


def _at_end(trial: Trial, whole: tuple[LogPage, int]) -> str:
    size, pages = str(whole[1]), trial.pages()
    last = [page.lines[-1] for exchange, page in pages if exchange.param("size") == size and page.lines][-1]
    # The first page that ends with the last line: an inclusive cursor repeats that line for ever.
    found = (seen for seen in pages if seen[0].param("size") == size and seen[1].lines and seen[1].lines[-1] == last)
    exchange, page = next(found)
    if page.next_page is None:
        return "it is null or absent"
    return "it stays the same" if str(page.next_page) == exchange.param("cursor") else "it is as if there were more"


def _whole(trial: Trial) -> tuple[LogPage, int] | None:
    """The log as one page, read after the run's end, and how many lines were requested."""
    found = [(page, size) for exchange, page in trial.pages() if page.lines and (size := _tried_size(exchange))]
    return found[-1] if found else None


def _tried_size(exchange: Exchange) -> int:
    """The size of a page from the log's start, if it is one of those that are tried; else 0."""
    size = int(exchange.param("size") or 0)
    return size if size in SIZES and exchange.param("cursor") == LOG_START_CURSOR else 0


def page_size(trial: Trial) -> Reading | None:
    """How many lines a page has, and which sizes are refused."""
    tried = trial.of("getJobRunLogs", LOG)
    sizes = [_tried_size(exchange) for exchange in tried if isinstance(exchange.response, BadRequestError)]
    refused = min(filter(None, sizes), default=None)
    if (whole := _whole(trial)) is None:
        return (f"every size is refused, even {refused}", State.DIFFERS) if refused else None
    count, requested = len(whole[0].lines), whole[1]
    total = len({line for _, page in trial.pages() for line in page.lines})
    text = f"{refused:,} are refused; " if refused else ""
    if count < min(requested, total):
        text += f"a page of {requested:,} is cut to {count:,}"
    else:
        text += f"{count:,} are sent at once"
    return text, State.ASSUMED if not refused or requested >= 100 else State.DIFFERS


def forwarded(trial: Trial) -> Reading | None:
    """Compares the lines that the provider's own reader forwarded with the printed lines."""
    if trial.end(LOG) is None:
        return None
    problems, is_lossless, raws = [], True, trial.lines()
    for prefix, count in printed():
        got, expected = numbers((record.text for record in trial.forwarded), prefix), range(1, count + 1)
        missing, twice = set(expected) - set(got), len(got) - len(set(got))
        kind = "standard error" if prefix == job.ERROR_LINE else "standard output"
        if missing:
            late = len(missing & set(numbers(raws, prefix)))
            came = f", {late} of which came too late" if late else ""
            problems.append(f"{len(missing)} of {count} lines of {kind} are missing{came}")
        if twice:
            problems.append(f"{twice} lines of {kind} came twice")
        is_lossless &= not missing and not twice
        if not missing and not twice and got != list(expected):
            problems.append(f"lines of {kind} came out of order")
    if timeless := sum(record.time_ns is None for record in trial.forwarded):
        problems.append(f"{timeless} lines have no time that can be read")
        is_lossless = False
    if problems:
        # The service inserts late lines, so they come out of order. A reader can sort by their own times.
        return "; ".join(problems), State.HANDLED if is_lossless else State.DIFFERS
    return f"yes: {job.LINES + job.ERROR_LINES:,} lines, of standard output and of standard error", State.ASSUMED


def late(trial: Trial) -> Reading | None:
    """When a page first had the last line."""
    if (end := trial.end(LOG)) is None or not trial.pages():
        return None
    last = f"{job.LINE}{job.LINES}"
    seen = next((exchange for exchange, page in trial.pages() if any(raw == last for _, raw in page.lines)), None)
    if seen is None:
        return "the last line was never seen", State.DIFFERS
    seconds = max(0.0, seen.ended_at - end[0].at)
    text = f"the last line was there {seconds:.1f} s after the end was seen"
    if (enough := math.ceil(seconds) + MARGIN_SECONDS) < MIN_QUIET_SECONDS:
        text += f"; in this run wait_post_run_logs_timeout_seconds={enough} would have been enough"
    return text, State.ASSUMED if seconds <= MIN_QUIET_SECONDS else State.HANDLED


def unusual(trial: Trial) -> Reading | None:
    """Which unusual lines were changed, and how."""
    raws = set(trial.lines())
    if not raws:
        return None
    changed = [
        f"{name}: {_how_changed(job.special_line(name), found)}"
        for name in job.SPECIALS
        if (found := [raw for raw in raws if raw.startswith(f"{job.SPECIAL}{name}: ")]) != [job.special_line(name)]
    ]
    if "" not in raws:
        changed.append("the empty line: missing")
    if changed:
        return "; ".join(changed), State.HANDLED
    return f"yes: {', '.join(job.SPECIALS)}, and an empty one", State.ASSUMED


def _how_changed(expected: str, found: list[str]) -> str:
    if not found:
        return "missing"
    if expected.startswith(found[0]):
        return f"cut to {len(found[0]):,} of {len(expected):,} characters"
    return "changed"


def args(trial: Trial) -> Reading | None:
    """Compares the script's args with the args of the create."""
    facts, create = _facts(trial), trial.create()
    if facts is None or create is None:
        return None
    sent = list((create.call.json or {})["runPython"]["args"])[1:]
    if not sent:
        return "unusual ones are refused when the run is created", State.HANDLED
    if facts.get("args") == sent:
        return "yes: with spaces, quotes, Unicode and an empty one", State.ASSUMED
    return f"no: {json.dumps(facts.get('args'), ensure_ascii=False)}", State.DIFFERS


def machine(trial: Trial) -> Reading | None:
    """The Python that scripts and decorated functions must work with."""
    if (facts := _facts(trial)) is None:
        return None
    packages = ", ".join(map(str, facts.get("packages") or [])) or "none of pyspark, sedona, wherobots"
    return f"Python {facts.get('python')}, {facts.get('system')}; packages: {packages}", State.ASSUMED


def _facts(trial: Trial) -> dict[str, Any] | None:
    line = next((line for line in trial.lines() if line.startswith(job.BEGIN)), "")
    try:
        facts = json.loads(line.removeprefix(job.BEGIN))
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None
