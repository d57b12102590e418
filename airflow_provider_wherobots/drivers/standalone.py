"""A blocking driver outside of a task: with its own transport, and credentials that stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_provider_wherobots.api.endpoint import Endpoint
from airflow_provider_wherobots.api.transports.requests import RequestsTransport
from airflow_provider_wherobots.drivers.base import Outlets, WriteNote
from airflow_provider_wherobots.drivers.blocking import SyncDriver
from airflow_provider_wherobots.flows.effects import Reloaded
from airflow_provider_wherobots.logs.records import LogRecord


@contextmanager
def standalone_driver(
    endpoint: Endpoint, note: WriteNote, source: str, write: Callable[[LogRecord], None] = lambda record: None
) -> Iterator[SyncDriver]:
    """Make a driver, and close it with its transport at the end."""
    transport = RequestsTransport(endpoint)
    outlets: Outlets[Reloaded, None] = Outlets(note, write, lambda: Reloaded(False, source, is_read=False))
    driver = SyncDriver(transport, outlets)
    try:
        yield driver
    finally:
        driver.close()
        transport.close()
