"""The hook: calls to the Runs API with an Airflow connection."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from airflow import __version__ as airflow_version

from airflow_provider_wherobots import __version__, words
from airflow_provider_wherobots.api.connection import CONNECTION_TYPE, DEFAULT_CONN_ID, Settings, read_settings
from airflow_provider_wherobots.api.errors import InvalidArgumentError, NotSentError
from airflow_provider_wherobots.api.runs import calls
from airflow_provider_wherobots.api.runs.models import LOG_START_CURSOR, LogPage, Run, RunMetrics
from airflow_provider_wherobots.api.storage import checked_upload_to
from airflow_provider_wherobots.compat import AIRFLOW, BaseHook, Connection, get_async_connection
from airflow_provider_wherobots.exceptions import WherobotsArgumentException
from airflow_provider_wherobots.files import FileSource, absolute
from airflow_provider_wherobots.flows.probe import PROBE_SECONDS, probe
from airflow_provider_wherobots.flows.retry import Outage, send
from airflow_provider_wherobots.flows.upload import upload
from airflow_provider_wherobots.hooks import connection_form
from airflow_provider_wherobots.io.base import Callbacks, Flow, Reloaded, WriteNote
from airflow_provider_wherobots.io.rate_limit import RateLimits, limits_of_event_loop
from airflow_provider_wherobots.io.worker import WorkerIo
from airflow_provider_wherobots.runs.memory import Memory
from airflow_provider_wherobots.task_log.entries import record_writer
from airflow_provider_wherobots.words import reason_of

if TYPE_CHECKING:
    from airflow_provider_wherobots.api.transports.requests import RequestsTransport
    from airflow_provider_wherobots.io.event_loop import EventLoopIo
    from airflow_provider_wherobots.task_log.resume import ResumedLog

P = ParamSpec("P")
T = TypeVar("T")

HOOK_OUTAGE_SECONDS = 60.0
"""How long a method of the hook tolerates consecutive transient failures. The operator has ``max_outage_seconds``."""
FOR_EVENT_LOOP = (
    "airflow_provider_wherobots.api.transports.aiohttp",
    "airflow_provider_wherobots.io.event_loop",
)
_IMPORTING = asyncio.Lock()
MASKED_KEY = "***"
"""What Airflow shows in place of a secret. The Test button of some versions sends it as the key: apache/airflow #61670
(3.0 to 3.1.6) and #72318 (3.3.1, where the form sends "" or 0 for a host or port that is stored as null)."""


class WherobotsHook(BaseHook):
    """Calls the Wherobots Runs API with an Airflow connection.

    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Its type is ``wherobots``, or
        ``generic`` or ``http`` if it was made for the official provider. The API key is the password; the host may be
        empty.
    """

    conn_name_attr = "wherobots_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONNECTION_TYPE
    hook_name = connection_form.HOOK_NAME

    def __init__(self, wherobots_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.wherobots_conn_id = wherobots_conn_id
        self._settings: Settings | None = None
        self._limits = RateLimits()

    @property
    def settings(self) -> Settings:
        """The connection, read once.

        :raises WherobotsArgumentException: when a field of it breaks a rule.
        :raises AirflowNotFoundException: when there is no such connection.
        """
        if self._settings is None:
            self._settings = self._read(self.get_connection(self.wherobots_conn_id))
        return self._settings

    def get_conn(self) -> RequestsTransport:
        """Make a transport, which the caller closes."""
        # Imported here: a triggerer imports this module in its event loop, and never needs requests.
        from airflow_provider_wherobots.api.transports.requests import RequestsTransport

        return RequestsTransport(self.settings.endpoint)

    @contextmanager
    def io(
        self,
        note: WriteNote | None = None,
        *,
        may_reload: bool = True,
        publish: Callable[[str, str], None] | None = None,
        remember: Callable[[Memory, str], None] | None = None,
    ) -> Iterator[WorkerIo]:
        """Make an ``Io`` for flows on this thread, with its own connections. ``may_reload=False`` is for a kill or a
        connection test: then it neither reads the Airflow connection again after a 401, nor waits for the rate limits
        of others.
        """
        transport = self.get_conn()

        def reload() -> Reloaded:
            if not may_reload:
                return Reloaded(False, self._source, is_read=False)
            before = transport.endpoint
            # The old settings stay until the new ones are read: a kill can need them at any time.
            try:
                self._settings = self._read(self.get_connection(self.wherobots_conn_id))
            except Exception as error:
                raise self._unreadable(error) from error
            transport.endpoint = self._settings.endpoint
            return Reloaded(transport.endpoint != before, self._source)

        limits = self._limits if may_reload else RateLimits()
        write, conn_id = record_writer(self.log), self.wherobots_conn_id
        callbacks = Callbacks(note or self.log.log, write, reload, publish, remember=remember, conn_id=conn_id)
        io = WorkerIo(transport, callbacks, limits)
        try:
            yield io
        finally:
            io.close()
            transport.close()

    @asynccontextmanager
    async def async_io(
        self,
        logger: Any = None,
        publish: Callable[[str, str], Awaitable[None]] | None = None,
        log: ResumedLog | None = None,
        *,
        urgent: bool = False,
        max_outage_seconds: float = HOOK_OUTAGE_SECONDS,
    ) -> AsyncIterator[EventLoopIo]:
        """Make an ``Io`` for flows in the triggerer's event loop, on the sessions that all runs of the host share.
        ``urgent`` is for a kill: the messages and lines of others wait until Airflow reads the task log, which
        may take seconds. ``max_outage_seconds`` bounds how long the connection is read again if that fails; with
        ``urgent``, how long all its reads may take.
        """
        # Imported here: a worker that only defers, and a DAG that is only parsed, need no aiohttp.
        await _import_for_event_loop()
        from airflow_provider_wherobots.api.transports.aiohttp import AiohttpTransport, shared_sessions
        from airflow_provider_wherobots.io.event_loop import EventLoopIo
        from airflow_provider_wherobots.task_log.resume import ResumedLog

        logger = logger or self.log
        until = asyncio.get_running_loop().time() + max_outage_seconds if urgent else None
        endpoint = (await self._async_settings(logger, max_outage_seconds, until)).endpoint
        async with shared_sessions(endpoint.base_url) as sessions:
            transport = AiohttpTransport(endpoint, sessions)

            async def reload() -> Reloaded:
                before = transport.endpoint
                try:
                    self._settings = await self._read_async(until)
                except WherobotsArgumentException as error:
                    raise self._unreadable(error) from error
                transport.endpoint = self._settings.endpoint
                return Reloaded(transport.endpoint != before, self._source)

            callbacks: Callbacks[Awaitable[Reloaded], Awaitable[None]]
            log = log or ResumedLog(logger)
            room, conn_id = None if urgent else log.room, self.wherobots_conn_id
            callbacks = Callbacks(log.note, log.write, reload, publish, room, conn_id=conn_id)
            io = EventLoopIo(transport, callbacks, limits_of_event_loop())
            try:
                yield io
            finally:
                await io.close()

    def create_run(self, payload: Mapping[str, Any], region: str | None = None) -> Run:
        """``POST /runs``. Repeated only if the request is known to have had no effect.

        :param payload: the body, see :func:`airflow_provider_wherobots.api.runs.payload.build_payload`.
        :param region: compute region; None takes the connection's default, else the organization's.
        :raises WherobotsApiError: how the call ended.
        """
        return self._run(send, calls.create_run(payload, region or self.settings.region), HOOK_OUTAGE_SECONDS)

    def get_run(self, run_id: str) -> Run:
        """``GET /runs/{run_id}``.

        :param run_id: the run's id.
        :raises WherobotsApiError: how the call ended.
        """
        return self._run(send, calls.get_run(run_id), HOOK_OUTAGE_SECONDS)

    def list_runs(
        self,
        *,
        name: str | None = None,
        created_after: datetime | None = None,
        status: Iterable[str] = (),
        region: str | None = None,
        page_size: int = 100,
    ) -> Iterator[Run]:
        """``GET /runs``, one page at a time as the iterator is read.

        :param name: name or pattern with at most one ``*``; None lists all.
        :param created_after: only runs created after this moment.
        :param status: only runs in one of these statuses; empty means all.
        :param region: only runs of this region; None means all.
        :param page_size: runs per call, 0 to 100; default 100.
        :raises WherobotsApiError: how a call ended.
        """
        cursor: str | None = None
        chosen = tuple(status)
        while True:
            call = calls.list_runs(
                name=name, created_after=created_after, status=chosen, region=region, cursor=cursor, size=page_size
            )
            page = self._run(send, call, HOOK_OUTAGE_SECONDS)
            if page.left_out:
                self.log.warning("Left out %s without an id or a status", words.counted(page.left_out, "listed run"))
            yield from page.items
            if page.next_page is None or page.next_page == cursor:
                return
            cursor = page.next_page

    def cancel_run(self, run_id: str) -> None:
        """``POST /runs/{run_id}/cancel``. The status may take a minute to become CANCELLED.

        :param run_id: the run's id.
        :raises WherobotsApiError: how the call ended; also for a run that has already ended.
        """
        self._run(send, calls.cancel_run(run_id), HOOK_OUTAGE_SECONDS)

    def get_run_logs(self, run_id: str, cursor: str | int = LOG_START_CURSOR, size: int | None = None) -> LogPage:
        """``GET /runs/{run_id}/logs``, one page.

        :param run_id: the run's id.
        :param cursor: ``next_page`` of an earlier page; default the log's start.
        :param size: lines per page; None takes the service's 100.
        :raises WherobotsApiError: how the call ended.
        """
        return self._run(send, calls.get_run_logs(run_id, cursor, size), HOOK_OUTAGE_SECONDS)

    def get_run_metrics(self, run_id: str) -> RunMetrics:
        """``GET /runs/{run_id}/metrics``.

        :param run_id: the run's id.
        :raises WherobotsApiError: how the call ended.
        """
        return self._run(send, calls.get_run_metrics(run_id), HOOK_OUTAGE_SECONDS)

    def upload_file(self, path: str | Path, upload_to: str | None = None) -> str:
        """Upload a file of this machine to storage. What is already at its address is replaced.

        :param path: the file, or a folder, of which a zip file is uploaded, without what begins with a dot; a relative
            path starts from the current directory. At most 500 MiB.
        :param upload_to: ``s3://`` address of the folder for uploads; None takes the connection's, else one in the
            organization's managed storage.
        :returns: its ``s3://`` address. The same content always has the same one.
        :raises WherobotsArgumentException: if the file cannot be uploaded as it is; nothing was sent.
        :raises WherobotsApiError: how a call ended.
        """
        if not isinstance(path, str | Path) or path == "":
            raise WherobotsArgumentException(f"path={path!r}: must be the path of a file or a folder")
        given = os.fspath(path)
        try:
            folder = self.settings.upload_to if upload_to is None else checked_upload_to("upload_to", upload_to)
            source = FileSource("path", given, absolute(Path.cwd(), given), may_be_folder=True)
            return self._run(upload, source, folder, HOOK_OUTAGE_SECONDS)
        except InvalidArgumentError as error:
            raise WherobotsArgumentException(str(error)) from None

    def test_connection(self) -> tuple[bool, str]:
        """Try the connection with one cheap call, for the Test button. Takes 10 s at most.

        :returns: whether it works, and a message with the cause, in the service's own words.
        """
        try:
            settings = self._read_settings(self.get_connection(self.wherobots_conn_id))
        except InvalidArgumentError as error:
            # Without the connection's id: Airflow tests a copy that has a random id.
            return False, str(error)
        if settings.endpoint.api_key == MASKED_KEY:
            return False, _masked_key_message(settings.endpoint.base_url)
        self._settings = settings
        url = settings.endpoint.base_url
        with self.io(may_reload=False) as io:
            works, said = io.run(probe, PROBE_SECONDS)
        return works, said if url in said else f"{said} ({url})"

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's extra fields, for Airflow before 3.2."""
        from flask_appbuilder.fieldwidgets import BS3TextFieldWidget  # type: ignore[import-not-found]
        from wtforms import StringField  # type: ignore[import-untyped, import-not-found, unused-ignore]

        return {
            field.name: StringField(field.label, widget=BS3TextFieldWidget(), description=field.help)
            for field in connection_form.EXTRA_FIELDS
        }

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The form's standard fields, for Airflow before 3.2."""
        return connection_form.field_behaviour()

    def _run(self, flow: Flow[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self.io() as io:
            return io.run(flow, *args, **kwargs)

    async def _async_settings(self, logger: Any, max_outage_seconds: float, until: float | None) -> Settings:
        """Read the connection once. If that fails, read it again, as long and as often as a call would be repeated."""
        outage = Outage(max_outage_seconds)
        while self._settings is None:
            moment = time.monotonic()
            try:
                self._settings = await self._read_async(until)
            except NotSentError as error:
                try:
                    delay = outage.failed(error, moment)
                except NotSentError:
                    raise NotSentError(self._source, f"{error.reason}; {words.given_up(max_outage_seconds)}") from error
                if outage.is_first_failure:
                    logger.warning("%s; reading it again", error)
                await asyncio.sleep(delay)
        if failures := outage.over(time.monotonic()):
            attempts = words.counted(failures, "failed attempt")
            logger.info("The %s could be read, after %s", self._source, attempts)
        return self._settings

    async def _read_async(self, until: float | None) -> Settings:
        """Read the connection, until a moment of the event loop's time.

        On Airflow 3 the same error means a missing connection, or an unreachable API server or secrets backend. So it
        is never final.
        """
        try:
            async with asyncio.timeout_at(until):
                connection = await get_async_connection(self.wherobots_conn_id)
        except Exception as error:
            raise self._unreadable(error) from error
        return self._read(connection)

    def _unreadable(self, error: Exception) -> NotSentError:
        """A failure to read the connection. The flow counts it as a failed call, and makes the call again."""
        if isinstance(error, WherobotsArgumentException):
            return NotSentError(self._source, str(error).removeprefix(f"{self._source}: "))
        return NotSentError(self._source, f"cannot be read: {reason_of(error)}")

    def _read(self, connection: Connection) -> Settings:
        try:
            settings = self._read_settings(connection)
        except InvalidArgumentError as error:
            raise WherobotsArgumentException(f"{self._source}: {error}") from None
        return replace(settings, endpoint=replace(settings.endpoint, source=self._source))

    @property
    def _source(self) -> str:
        """The name in messages of the connection that holds the key."""
        return f"connection {self.wherobots_conn_id!r}"

    @staticmethod
    def _read_settings(connection: Connection) -> Settings:
        return read_settings(
            conn_type=connection.conn_type,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            password=connection.password,
            extra=connection.extra,
            user_agent=(
                f"airflow-provider-wherobots/{__version__} python/{platform.python_version()} airflow/{airflow_version}"
            ),
            client=f"client=airflow-provider-wherobots;ver={__version__}",
        )


def _masked_key_message(base_url: str) -> str:
    """Why a stored connection was not tested, and what to do.

    The hook cannot read the stored key, because Airflow gives it a copy of the connection under a random id. It also
    must not send the stored key to another host, which the form may name.
    """
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"{parts.scheme}://{parts.netloc.removesuffix(f':{parts.port}')}".removeprefix("https://")
    if AIRFLOW < (3, 3):
        why = f"Airflow {airflow_version} always does this; 3.1.7 and 3.2 do not"
    else:
        why = (
            "Airflow 3.3.1 does this if the API host or the API port is empty. Store API host "
            f"{host}{parts.path} and API port {port}, and test again"
        )
    return (
        f"Nothing was tested: Airflow's Test button sent *** in place of the stored API key. {why}. "
        "Tasks use the stored key"
    )


async def _import_for_event_loop() -> None:
    """Import what the event loop needs, in a thread: an import in the loop would stop all triggers."""
    if all(name in sys.modules for name in FOR_EVENT_LOOP):
        return
    # One task imports for all: thousands of imports would fill the threads.
    async with _IMPORTING:
        for name in FOR_EVENT_LOOP:
            if name not in sys.modules:
                await asyncio.to_thread(import_module, name)
