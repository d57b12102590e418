"""Switches for what the published description leaves open, and for deviations that tests need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from wherobots_local.api.errors import ApiError, Problem
from wherobots_local.api.validation import shown, validated
from wherobots_local.control.sql_behaviour import SQL_LIKE_THE_SERVICE, Count, Seconds, SqlBehaviour


class Behaviour(SqlBehaviour):
    """The switches of the server. The defaults are quick, and all known clients of Wherobots work with them.

    Those of SQL sessions are in :class:`~wherobots_local.control.sql_behaviour.SqlBehaviour`.

    :param log_cursor: what a log cursor is. ``nanoseconds``: the timestamp of a line as a string.
        ``nanoseconds-int``: the same, with timestamps and cursors as JSON integers. ``offset``: the number of the
        next line. ``opaque``: a token; default nanoseconds.
    :param log_boundary: which line's timestamp ``next_page`` is. ``after``: that of the last line shown, and the next
        page begins after it. ``last``: the same, but the next page begins with that line again. ``next``: that of the
        first line not shown yet. Default after.
    :param log_next_page_when_caught_up: ``next_page`` when there is no further line: ``end`` (of the log, as if there
        were one), ``null``, ``equal`` (to the cursor sent) or ``absent``; default end.
    :param log_delay_seconds: how long after it was read a line becomes visible, in seconds, so the last lines come
        after the run's end; default 0.
    :param log_timestamp_resolution_ns: timestamps are rounded down to a multiple of it, in nanoseconds; default 1.
    :param log_max_size: the most lines on one page; default 1000.
    :param log_oversize: what happens to a larger ``size``: it is silently ``cut`` to ``log_max_size``, or ``refused``
        with 422; default cut.
    :param list_delay_seconds: how long after its creation a run shows up in List Runs; default 0.
    :param list_order: ``newest`` or ``oldest`` first, or ``none``: a fixed order without a meaning; default newest.
    :param name_filter: whether a ``name`` without ``*`` must be the whole name (``exact``) or a part of it
        (``substring``); default exact.
    :param start_delay_seconds: how long a run stays PENDING before it starts; default 0.
    :param kube_app_null_seconds: how long after the creation of a run ``kubeApp`` is null; default 0.
    :param cancel_delay_seconds: how long after an accepted cancel the run ends; default 0.5.
    :param cancel_finished_status: answer to the cancel of a run that has ended: 200 or 409; default 200.
    :param destroy_seconds: how long after the end of a cancelled run ``kubeApp.status`` stays DESTROYING; default 0.
    :param timeout_as: status of a run that exceeded ``timeoutSeconds``: ``TIMED_OUT``, ``FAILED`` (with a
        RUN_FAIL_EXEC event) or ``CANCELLED``; default TIMED_OUT.
    :param timeout_counts_pending: whether ``timeoutSeconds`` counts the time spent PENDING; default False.
    :param max_timeout_seconds: a larger ``timeoutSeconds`` is silently reduced to it; default None, no limit.
    :param cost_delay_seconds: how long after the end of a run its cost and spatial units are null; default 0.
    :param create_status: status of a successful create: 201 or 200; default 201.
    :param synthetic_runs: whether created runs get no process and change only through the control surface;
        default False.
    """

    log_cursor: Literal["nanoseconds", "nanoseconds-int", "offset", "opaque"] = "nanoseconds"
    log_boundary: Literal["after", "last", "next"] = "after"
    log_next_page_when_caught_up: Literal["end", "null", "equal", "absent"] = "end"
    log_delay_seconds: Seconds = 0.0
    log_timestamp_resolution_ns: Count = 1
    log_max_size: Count = 1000
    log_oversize: Literal["cut", "refused"] = "cut"
    list_delay_seconds: Seconds = 0.0
    list_order: Literal["newest", "oldest", "none"] = "newest"
    name_filter: Literal["exact", "substring"] = "exact"
    start_delay_seconds: Seconds = 0.0
    kube_app_null_seconds: Seconds = 0.0
    cancel_delay_seconds: Seconds = 0.5
    cancel_finished_status: Literal[200, 409] = 200
    destroy_seconds: Seconds = 0.0
    timeout_as: Literal["TIMED_OUT", "FAILED", "CANCELLED"] = "TIMED_OUT"
    timeout_counts_pending: bool = False
    max_timeout_seconds: Count | None = None
    cost_delay_seconds: Seconds = 0.0
    create_status: Literal[201, 200] = 201
    synthetic_runs: bool = False


LIKE_THE_SERVICE: Mapping[str, Any] = {
    "start_delay_seconds": 60.0,
    "kube_app_null_seconds": 10.0,
    "list_delay_seconds": 5.0,
    "list_order": "none",
    "name_filter": "substring",
    "log_boundary": "last",
    "log_next_page_when_caught_up": "null",
    "log_delay_seconds": 20.0,
    "cancel_delay_seconds": 60.0,
    "cancel_finished_status": 409,
    "destroy_seconds": 30.0,
    "timeout_counts_pending": True,
    "cost_delay_seconds": 60.0,
    **SQL_LIKE_THE_SERVICE,
}
"""The delays and missing values that the service has, or may have."""


def patched(current: Behaviour, changes: object) -> Behaviour:
    """Change some of the switches.

    :param current: the behaviour so far.
    :param changes: JSON object of the switches to change.
    :returns: the new behaviour.
    :raises ApiError: 422 with one problem per unknown switch or wrong value. Then nothing is changed.
    """
    if not isinstance(changes, Mapping):
        raise ApiError(422, [Problem(f"body is {shown(changes)}, but must be a JSON object", "body")])
    return validated(Behaviour, {**current.model_dump(), **changes}, names=True)
