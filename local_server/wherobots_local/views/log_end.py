"""The end of a log, as the status page shows it: only the last lines of a long one."""

from __future__ import annotations

from typing import Any

from wherobots_local.api.queries import LogEndQuery
from wherobots_local.runs.log import RunLog
from wherobots_local.views.log_pages import START, LogStyle, log_page, start_of_page


def log_end(log: RunLog, query: LogEndQuery, style: LogStyle, now: float) -> dict[str, Any]:
    """Cut one page out of a log: a ``LogsResponse`` with three more fields.

    ``log_file`` is the path of the text, ``left_out`` the number of lines between the cursor and this page that are
    skipped, and ``more`` is whether there are lines after this page.
    """
    lines, cursor = log.lines, query.cursor or START
    shown = start_of_page(lines, cursor, style)
    left_out = max(len(lines) - shown - query.last, 0)
    if left_out:
        cursor = str(max(lines[shown + left_out].timestamp - 1, int(START)))
        # A page begins with all lines of a time.
        left_out = start_of_page(lines, cursor, style) - shown
    query = query.model_copy(update={"cursor": cursor})
    page = log_page(lines, query, style, now)
    more = start_of_page(lines, page["next_page"], style) < len(lines)
    return {**page, "left_out": left_out, "more": more, "log_file": str(log.file or "")}
