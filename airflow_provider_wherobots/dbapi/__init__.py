"""Python's database API (PEP 249) over a SQL session: a connection, and a cursor that waits.

Belongs here: the objects and exceptions of PEP 249.
Not here: when a session is requested or a statement executed (``flows.sql``), and anything of Airflow.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow_provider_wherobots.dbapi.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)

if TYPE_CHECKING:
    from airflow_provider_wherobots.dbapi.connection import Connection

log = logging.getLogger(__name__)

__all__ = [
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
threadsafety = 1
"""Threads can share this module, but each needs its own connection."""
paramstyle = "pyformat"
"""``%(name)s``; ``%s`` too, and ``%(name)i`` for names."""


def connect(
    api_key: str,
    host: str | None = None,
    *,
    runtime: str | None = None,
    region: str | None = None,
    version: str | None = None,
    session_type: str = "multi",
    force_new: bool = False,
    session_key: str | None = None,
    shutdown_after_inactive_seconds: int | None = None,
    session_wait_timeout: float = 900.0,
    geometry: str = "ewkt",
) -> Connection:
    """Request a session, wait until it is ready, and connect to it. Needs no Airflow connection.

    :param api_key: the API key.
    :param host: host of the API; default ``api.cloud.wherobots.com``.
    :param runtime: runtime of the session; default the organization's.
    :param region: compute region; default the organization's.
    :param version: Wherobots version; default the latest.
    :param session_type: ``multi`` (default), which connections share, or ``single``.
    :param force_new: whether it must be a new session; default False.
    :param session_key: only requests with the same key share a session; default None.
    :param shutdown_after_inactive_seconds: how long the session lives after its last connection, in seconds; default
        the service's.
    :param session_wait_timeout: how long the session may take to become ready, in seconds; default 900.
    :param geometry: how geometries are written: ``ewkt`` (default), ``wkt``, ``wkb``, ``ewkb`` or ``geojson``.
    :raises ValueError: names the argument and the rule.
    :raises OperationalError: if there is no session, or it cannot be connected to.
    """
    from airflow_provider_wherobots.api.endpoint import Endpoint, base_url
    from airflow_provider_wherobots.api.sql.session_request import SessionRequest
    from airflow_provider_wherobots.dbapi.connection import Connection
    from airflow_provider_wherobots.drivers.standalone import standalone_driver
    from airflow_provider_wherobots.flows.sql.session import SessionWait, obtain_session

    request = SessionRequest(
        runtime, region, version, session_type, force_new, session_key, shutdown_after_inactive_seconds
    )
    driver = standalone_driver(Endpoint(base_url(host), api_key), log.log, "the arguments of connect()")
    connection = Connection(driver, log.log, geometry=geometry)
    try:
        connection.open(obtain_session(request, SessionWait(session_wait_timeout)))
    except BaseException:
        connection.close()
        raise
    return connection
