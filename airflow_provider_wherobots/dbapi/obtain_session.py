"""Which session a connection gets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.api.sql.session_request import SessionRequest
from airflow_provider_wherobots.flows import words
from airflow_provider_wherobots.flows.effects import Flow, Note
from airflow_provider_wherobots.flows.sql.session import SessionEndedError, SessionWait, await_session, request_session


def obtain_session(
    request: SessionRequest, wait: SessionWait, kept: str | None = None, own: Callable[[str], None] | None = None
) -> Flow[SqlSession]:
    """Request a session, and wait until statements can be executed in it. ``kept`` is the id of a session that an
    earlier request made for itself alone, used as long as it lives. ``own`` takes the id of a session that nobody else
    can have, as soon as it is known.
    """
    if kept is not None:
        try:
            return (yield from await_session(kept, replace(wait, appearance_seconds=0.0)))
        except SessionEndedError:
            yield Note(logging.INFO, f"SQL session {words.short(kept)} has ended. Requesting a new one")
    asked = yield from request_session(request, wait.max_outage_seconds)
    if own is not None and not request.is_repeatable and not asked.fallback:
        own(asked.id)
    return (yield from await_session(asked.id, wait))
