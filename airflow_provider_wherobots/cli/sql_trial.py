"""What ``doctor --sql`` does: a session of its own executes ``SELECT 1``, and is stopped."""

from __future__ import annotations

import time
from contextlib import closing
from uuid import uuid4

from airflow_provider_wherobots.api.connection import Settings
from airflow_provider_wherobots.api.sql.session_request import SessionRequest
from airflow_provider_wherobots.cli.output import say
from airflow_provider_wherobots.cli.service import driver_of
from airflow_provider_wherobots.compat import AirflowOptionalProviderFeatureException
from airflow_provider_wherobots.doctor.check import Check, State
from airflow_provider_wherobots.flows import words

NAME = "SQL"
SELECT_SECONDS = 120.0
"""How long ``SELECT 1`` may take in a session that is ready."""


def check_sql(settings: Settings, conn_id: str, runtime: str, region: str | None) -> Check:
    """Execute ``SELECT 1`` in a session of its own, which is stopped whatever happens."""
    try:
        from airflow_provider_wherobots.hooks.sql import check_installed

        check_installed()
    except AirflowOptionalProviderFeatureException as error:
        return Check(NAME, State.FAILED, f"{error}.", "install the extra, here and on workers")
    from airflow_provider_wherobots.dbapi.connection import Connection
    from airflow_provider_wherobots.dbapi.errors import DatabaseError
    from airflow_provider_wherobots.flows.sql.session import SessionWait, obtain_session, stop_session
    from airflow_provider_wherobots.flows.sql.statement import Statement, StatementOptions, execute

    request = SessionRequest(runtime, region or settings.region, settings.version, force_new=True)
    own: list[str] = []
    say("Starting a SQL session, which takes minutes. It is stopped after SELECT 1")
    began = time.monotonic()
    try:
        with closing(Connection(driver_of(settings, conn_id), lambda level, text: say(text))) as connection:
            connection.open(obtain_session(request, SessionWait(), own=own.append))
            ready, execution_id = time.monotonic(), str(uuid4())
            options = StatementOptions(
                connection.session.socket_url,
                time.time() + SELECT_SECONDS,
                f"limit of {words.duration(SELECT_SECONDS)} for SELECT 1",
            )
            cursor = connection.cursor()
            cursor.take(connection.follow(execution_id, execute(Statement(execution_id, "SELECT 1"), options)))
            rows, ended = cursor.fetchall(), time.monotonic()
    except DatabaseError as error:
        text = f"SELECT 1 was not executed in a SQL session ({words.quoted(str(error))})."
        return Check(NAME, State.FAILED, text, "read the service's message; runs work without SQL")
    finally:
        if own:
            with driver_of(settings, conn_id) as driver:
                driver.run(stop_session(own[0]))
    if len(rows) != 1:
        return Check(NAME, State.FAILED, f"SELECT 1 returned {len(rows)} rows.", "tell us")
    waits = f"{words.duration(ready - began)}, and SELECT 1 took {words.duration(ended - ready)}"
    return Check(NAME, State.OK, f"A SQL session was ready after {waits}.")
