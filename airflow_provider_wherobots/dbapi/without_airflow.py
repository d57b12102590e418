"""A connection without Airflow: its driver is its own, and messages go to Python's log."""

from __future__ import annotations

import logging

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.sql.session_request import SessionRequest
from airflow_provider_wherobots.dbapi.connection import Connection
from airflow_provider_wherobots.dbapi.obtain_session import obtain_session
from airflow_provider_wherobots.drivers.standalone import standalone_driver
from airflow_provider_wherobots.flows.sql.session import SessionWait

log = logging.getLogger(__name__)


def open_connection(endpoint: Endpoint, request: SessionRequest, wait_seconds: float, geometry: str) -> Connection:
    """Open a connection to a session that is asked for."""
    driver = standalone_driver(endpoint, log.log, "the arguments of connect()")
    connection = Connection(driver, log.log, geometry=geometry)
    try:
        connection.open(obtain_session(request, SessionWait(timeout=wait_seconds)))
    except BaseException:
        connection.close()
        raise
    return connection
