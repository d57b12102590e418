"""The hook for SQL: statements in a SQL session of Wherobots, with an Airflow connection."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from enum import Enum
from math import inf
from tempfile import TemporaryFile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import urlsplit

from airflow_provider_wherobots import words
from airflow_provider_wherobots.api.connection import SQL_CONNECTION_TYPE, Settings
from airflow_provider_wherobots.api.errors import InvalidArgumentError, WherobotsApiError
from airflow_provider_wherobots.api.sql.messages import GEOMETRIES, STORED
from airflow_provider_wherobots.api.sql.sessions import MULTI, SessionRequest, SqlSession, is_session_id
from airflow_provider_wherobots.api.storage import PresignedUrl
from airflow_provider_wherobots.compat import AirflowOptionalProviderFeatureException
from airflow_provider_wherobots.config import MAX_OUTAGE_SECONDS, configured
from airflow_provider_wherobots.dbapi.failures import Written, failure_of_session, refused
from airflow_provider_wherobots.exceptions import (
    WherobotsQuotaException,
    WherobotsUnavailableException,
    kind_of_call,
)
from airflow_provider_wherobots.hooks import connection_form
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.io.base import Flow
from airflow_provider_wherobots.sql.results import HOW_TO_INSTALL, missing, read_parquet
from airflow_provider_wherobots.sql.statements import statements
from airflow_provider_wherobots.sql.values import insert_statements
from airflow_provider_wherobots.task_memory import writes_of_this_task

try:
    from airflow.providers.common.sql.hooks.sql import DbApiHook
except ImportError as error:
    raise AirflowOptionalProviderFeatureException(f"SQL needs more packages ({error}): {HOW_TO_INSTALL}") from error

if TYPE_CHECKING:
    import pandas
    from airflow.providers.openlineage.sqlparser import DatabaseInfo
    from openlineage.client.event_v2 import Dataset

    from airflow_provider_wherobots.dbapi.connection import Connection

SESSION_WAIT_SECONDS = 900.0
NAMESPACE = "wherobots"
"""Of tables in OpenLineage, and the scheme of assets that are tables."""
STOP_SECONDS = 5.0
"""How long the hook tries to stop its dedicated session."""


class WherobotsSqlHook(DbApiHook):
    """Executes statements in a SQL session of Wherobots.

    Connections with the same arguments share one session, unless it is to be new. Each :meth:`get_conn`, and so each
    :meth:`run`, is a separate connection. A shared session ends by itself some time after its last connection.

    A dedicated session (``force_new``, or the type ``single``) is stopped by :meth:`close`, or ends by itself five
    minutes after its last connection.

    All arguments but the connection's id can be None or empty, which takes the default.

    :param region: compute region; None takes the connection's, else the organization's.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Its type is ``wherobots_sql`` or
        ``wherobots``, or ``generic`` or ``http`` if it was made for the official provider. Operators that find their
        hook by the connection need the type ``wherobots_sql``.
    :param runtime: runtime of the session; None takes the connection's, else the organization's.
    :param version: Wherobots version; None takes the connection's, else the latest.
    :param session_wait_timeout: how long a session may take to become ready, in seconds; default 900.
    :param read_timeout: has no effect; the official provider's hook has it.
    :param force_new: whether the hook gets a dedicated session, which it uses as long as it lives; default False.
    :param session_type: ``multi`` (default), which connections share, or ``single``.
    :param session_key: only hooks with the same key share a session; None shares with those without a key.
    :param shutdown_after_inactive_seconds: how long the session lives after its last connection, in seconds; None takes
        300 with a ``session_key`` and for a dedicated session, else the service's default.
    :param geometry: how geometries are written: ``ewkt`` (default), ``wkt``, ``wkb``, ``ewkb`` or ``geojson``.
    :param session_id: id of a session to use; default None, one is requested.
    :param on_truncated: what happens to a result of exactly 1,000 rows, which may be cut: ``fail`` (default), because
        Airflow's operators take it for all rows, or ``warn``.
    :param log_sql: whether statements are logged, with their literals masked; default True.
    :param unused: anything else, which has no effect: operators pass all keys of the connection's extra.
    :raises WherobotsArgumentException: names the argument, the value and the rule. Not retried.
    """

    conn_name_attr = "wherobots_conn_id"
    default_conn_name = WherobotsHook.default_conn_name
    conn_type = SQL_CONNECTION_TYPE
    hook_name = connection_form.SQL_HOOK_NAME
    dialect_name = "spark"
    supports_autocommit = True

    def __init__(
        self,
        region: str | Enum | None = None,
        wherobots_conn_id: str = default_conn_name,
        runtime: str | Enum | None = None,
        version: str | None = None,
        session_wait_timeout: float | None = None,
        read_timeout: float | None = None,
        force_new: bool | None = None,
        session_type: str | Enum | None = None,
        *,
        session_key: str | None = None,
        shutdown_after_inactive_seconds: int | None = None,
        geometry: str | None = None,
        session_id: str | None = None,
        on_truncated: str | None = None,
        log_sql: bool = True,
        **unused: Any,
    ) -> None:
        # The connection logs the statements, masked.
        super().__init__(wherobots_conn_id=wherobots_conn_id, log_sql=False)
        self.wherobots_conn_id = wherobots_conn_id
        self._rest = WherobotsHook(wherobots_conn_id)
        self._logs_statements = log_sql
        try:
            self._request = SessionRequest(
                runtime=_plain(runtime),
                region=_plain(region),
                version=_plain(version),
                session_type=_plain(session_type) or MULTI,
                force_new=force_new or False,
                session_key=_plain(session_key),
                shutdown_after_inactive_seconds=shutdown_after_inactive_seconds,
            )
            self._geometry = _checked_choice("geometry", geometry, GEOMETRIES)
            self._fails_if_cut = _checked_choice("on_truncated", on_truncated, ("fail", "warn")) == "fail"
        except InvalidArgumentError as error:
            raise refused(str(error)) from None
        wait, given = session_wait_timeout, _plain(session_id)
        if wait is not None and (isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 < wait < inf):
            raise refused(f"session_wait_timeout={wait!r}: must be a number of seconds above 0")
        if given is not None and not is_session_id(given):
            raise refused(f"session_id={given!r}: must be the id of a SQL session, or None")
        self._wait_seconds = SESSION_WAIT_SECONDS if wait is None else float(wait)
        self._given_session_id = given
        self._connections: list[Connection] = []
        self._written = Written()
        self._own: list[str] = []
        self._notes: list[tuple[int, str]] | None = None
        self.session: SqlSession | None = None
        """The session of the last connection; None before the first."""

    @property
    def settings(self) -> Settings:
        """The connection, as :attr:`WherobotsHook.settings` reads it."""
        return self._rest.settings

    @property
    def session_request(self) -> SessionRequest:
        """The session that is requested: the hook's arguments, and the connection's where there is none."""
        request, settings = self._request, self.settings
        return replace(
            request,
            region=request.region or settings.region,
            runtime=request.runtime or settings.runtime,
            version=request.version or settings.version,
        )

    @property
    def schema(self) -> None:
        """A session has no current database."""
        return None

    @schema.setter
    def schema(self, database: str) -> None:
        raise refused(
            f"database={database!r}: connections share their session, so it has no current database: name it in the "
            "statement, such as catalog.database.table"
        )

    def get_conn(self) -> Connection:
        """Wait for a session, and connect to it; the caller closes the connection.

        :returns: a connection as PEP 249 describes it, whose cursor waits for the end of each statement.
        :raises WherobotsArgumentException: in an event loop, such as the triggerer's, which it would block.
        :raises WherobotsSqlSessionException: if the session fails, or is not ready in time.
        :raises WherobotsException: of another kind for other failures.
        """
        check_installed()
        _check_no_event_loop()
        from airflow_provider_wherobots.dbapi.connection import Connection
        from airflow_provider_wherobots.flows.sql.session import SessionWait, await_session, obtain_session

        outage_seconds = configured(MAX_OUTAGE_SECONDS)
        request, wait = self.session_request, SessionWait(self._wait_seconds, outage_seconds)
        connection = Connection(
            self._rest.io(),
            self._run_apart,
            self.log.log,
            geometry=self._geometry,
            writes=writes_of_this_task(self.log),
            written=self._written,
            log_sql=self._logs_statements,
            fails_if_cut=self._fails_if_cut,
            max_outage_seconds=outage_seconds,
        )
        # Each in one step, so that no other thread can undo it: a kill must find every connection.
        self._connections.append(connection)
        for closed in [one for one in self._connections if one.is_closed]:
            with suppress(ValueError):
                self._connections.remove(closed)
        try:
            with self._written.no_retry_after_write():
                if self._given_session_id is not None:
                    known = replace(wait, appearance_seconds=0.0)
                    self.session = connection.open(await_session, self._given_session_id, known)
                else:
                    # A request that is not repeatable would make one more session each time.
                    kept = self.session.id if self.session is not None and not request.is_repeatable else None
                    self.session = connection.open(obtain_session, request, wait, kept, self._own.append)
        except BaseException:
            connection.close()
            raise
        return connection

    def start_session(self) -> str:
        """Start the session that the hook's arguments describe, or find it, and wait until it is ready.

        For a setup task, whose teardown calls :meth:`stop_session`. With a ``session_key`` a retry finds the same
        session. ``POST /sql/session``, then ``GET /sql/session/{session_id}``.

        :returns: its id, for the ``session_id`` of other tasks.
        :raises WherobotsQuotaException: if the quota allows no new session. One of others that the service offers
            instead is not taken, because the teardown would stop it.
        :raises WherobotsSqlSessionException: if the session fails, or is not ready within ``session_wait_timeout``.
        :raises WherobotsException: of another kind for other failures.
        """
        _check_no_event_loop()
        from airflow_provider_wherobots.flows.sql.session import SessionWait, await_session, request_session

        outage_seconds = configured(MAX_OUTAGE_SECONDS)
        try:
            with self._rest.io() as io:
                asked = io.run(request_session, self.session_request, outage_seconds)
                if asked.fallback:
                    raise WherobotsQuotaException(
                        f"The organization's quota allows no new SQL session ({words.short(asked.fallback)}). The "
                        f"service offers session {words.short(asked.id)}, which others use, so it is not taken"
                    )
                return io.run(await_session, asked.id, SessionWait(self._wait_seconds, outage_seconds)).id
        except WherobotsApiError as error:
            raise failure_of_session(error) from error

    def stop_session(self, session_id: str) -> None:
        """Stop a session, with everything that is executed in it. It is fine if it has ended already.

        ``DELETE /sql/session/{session_id}``.

        :param session_id: its id, as :meth:`start_session` returns it.
        :raises WherobotsArgumentException: if it is no id of a session.
        :raises WherobotsUnavailableException: if the session could not be stopped within a minute.
        """
        from airflow_provider_wherobots.flows.retry import REFUSED_SECONDS
        from airflow_provider_wherobots.flows.sql.session import stop_session

        if not is_session_id(session_id):
            raise refused(f"session_id={session_id!r}: must be the id of a SQL session")
        with self._rest.io() as io:
            if not io.run(stop_session, session_id, REFUSED_SECONDS):
                raise WherobotsUnavailableException(
                    f"SQL session {words.short(session_id)} could not be stopped: the task log says why. It costs "
                    "money until it ends, some time after its last client has disconnected"
                )

    def close(self) -> None:
        """Stop the sessions that the hook has made for itself, if there are any, with all that runs in them."""
        from airflow_provider_wherobots.flows.sql.session import stop_session

        while self._own:
            self._run_apart(stop_session, self._own.pop(), STOP_SECONDS)

    def _run_apart(self, flow: Flow[..., Any], *args: Any, **kwargs: Any) -> Any:
        with self._rest.io(self._note, may_reload=False) as io:
            return io.run(flow, *args, **kwargs)

    def _note(self, level: int, text: str) -> None:
        if self._notes is None:
            self.log.log(level, text)
        else:
            self._notes.append((level, text))

    def cancel_running(self) -> bool:
        """Stop all connections of this hook: no statement begins any more, and the running ones are cancelled.

        For an operator's ``on_kill``: a signal handler can call it.

        :returns: whether none runs any more.
        """
        from airflow_provider_wherobots.flows.retry import WORKER_CANCEL_BUDGET_SECONDS
        from airflow_provider_wherobots.io.worker import notes_of_handler

        interrupted = self._notes
        try:
            with notes_of_handler(self.log.log) as self._notes:
                ended = [one.stop(WORKER_CANCEL_BUDGET_SECONDS) for one in self._connections if not one.is_closed]
        finally:
            self._notes = interrupted
        return all(ended)

    def test_connection(self) -> tuple[bool, str]:  # type: ignore[override]
        """Try the connection with one cheap call, as :meth:`WherobotsHook.test_connection` does. Starts no session."""
        return self._rest.test_connection()

    def get_uri(self) -> str:
        """The address of the API, without the key."""
        return f"{self.conn_type}://{urlsplit(self.settings.endpoint.base_url).netloc}"

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Execute SQL, as ``DbApiHook.run`` does, but ``autocommit`` has no effect.

        :raises WherobotsException: if a statement fails, or if a timeout of the task passes after a write. The task is
            not retried if a statement may have written.
        """
        with self._written.no_retry_after_write():
            return super().run(*args, **kwargs)

    def get_df(  # type: ignore[override]
        self,
        sql: str | list[str],
        parameters: Iterable[Any] | Mapping[str, Any] | None = None,
        *,
        df_type: str = "pandas",
        stored: bool = False,
    ) -> pandas.DataFrame:
        """Execute SQL, and return the (last) result as a data frame.

        :param sql: a statement, or a list of them.
        :param parameters: their values, see :func:`airflow_provider_wherobots.sql.parameters.bind`.
        :param df_type: must be ``pandas``, the default.
        :param stored: whether the service stores the result in a Parquet file, which is downloaded: so all rows come,
            and not 1,000 at most. ``sql`` is one statement then. Default False.
        :returns: the data frame. It has no columns if there is no result set, or if a stored result has no rows.
        :raises WherobotsException: if a statement fails.
        """
        if df_type != "pandas":
            raise refused(f"df_type={df_type!r}: must be pandas")
        if stored and not isinstance(sql, str):
            raise refused("sql: must be one statement with stored=True")
        check_installed(frames=True)
        if not stored:
            frames: Any = self.run(sql, parameters=parameters, handler=lambda cursor: cursor.fetch_pandas())
            frame: pandas.DataFrame = frames if isinstance(sql, str) else frames[-1]
            return frame
        with self._written.no_retry_after_write():
            with closing(self.get_conn()) as connection:
                address = connection.cursor().execute(cast(str, sql), cast(Any, parameters), STORED).stored_at
            return self.read_stored(address)

    def get_df_by_chunks(self, *args: Any, chunksize: int, **kwargs: Any) -> Generator[Any, None, None]:
        """Yield the data frame of :meth:`get_df` in parts of ``chunksize`` rows."""
        frame = self.get_df(*args, **kwargs)
        yield from (frame[start : start + chunksize] for start in range(0, len(frame), chunksize))

    def read_stored(self, address: str | None) -> pandas.DataFrame:
        """Read what ``WherobotsSqlOperator`` has stored in one Parquet file, and returned the presigned URL of.

        :param address: the URL, or None for a result without rows, as the operator returns it.
        :returns: the data frame. It has no columns if the result has no rows.
        :raises WherobotsArgumentException: for an address that is no presigned URL. Not retried.
        :raises WherobotsException: of another kind if it cannot be downloaded.
        """
        check_installed(frames=True)
        if address is not None and address.startswith("s3:"):
            raise refused(
                "address: is in S3, where only its owner can read it: store with 'single': True and "
                "'generate_presigned_url': True, or read it with a hook for S3"
            )
        from airflow_provider_wherobots.api.transports.requests import download

        with TemporaryFile() as file:
            try:
                if address is not None:
                    download(PresignedUrl(address), file)
            except WherobotsApiError as error:
                raise kind_of_call(error)(f"The stored result cannot be downloaded: {error}") from error
            file.seek(0)
            frame, changes = read_parquet(None if address is None else file)
        for change in changes:
            self.log.info(change)
        return frame

    def insert_rows(
        self,
        table: str,
        rows: Iterable[Any],
        target_fields: Iterable[str] | None = None,
        commit_every: int = 1000,
        replace: bool = False,
        **unused: Any,
    ) -> None:
        """Insert rows, with one ``INSERT`` for many of them.

        Each statement takes effect by itself: if one fails, the rows of those before it stay. If there are any, the
        task is not retried, because a retry would insert them again.

        :param table: the table as a statement names it, such as ``catalog.schema.table``.
        :param rows: the rows, sequences of values. Values become literals, lists arrays, and NaN, as pandas has for a
            missing value, NULL.
        :param target_fields: names of the columns; default all, in the table's order.
        :param commit_every: the most rows of a statement; default 1000, 0 for no limit. A statement with more than
            one row has a million characters at most.
        :param replace: must be False: Spark has no ``REPLACE INTO``.
        :param unused: ``executemany``, ``fast_executemany`` and ``autocommit``, which have no effect.
        :raises WherobotsArgumentException: names the argument or the row, and the rule. Not retried.
        :raises WherobotsException: of another kind if a statement fails.
        """
        if replace:
            raise refused(
                "replace=True: Spark has no REPLACE INTO. Insert the rows into a table of their own, and MERGE INTO "
                "from there; or delete the replaced rows first"
            )
        fields, done = list(target_fields or ()), 0
        with (
            self._written.no_retry_after_write(),
            closing(self.get_conn()) as connection,
            closing(connection.cursor(log_sql=False)) as cursor,
        ):
            try:
                for statement, count in insert_statements(table, rows, fields, commit_every):
                    cursor.execute(statement)
                    done += count
                    self.log.info("Inserted %s into %s so far", words.counted(done, "row"), table)
            except InvalidArgumentError as error:
                raise refused(f"{error}. Inserted before that batch: {words.counted(done, 'row')}") from None
        self.log.info("Inserted %s into %s", words.counted(done, "row"), table)

    @staticmethod
    def split_sql_string(sql: str, strip_semicolon: bool = False) -> list[str]:
        """Split SQL at its semicolons, which are always left out. Comments and hints are kept."""
        return statements(sql)

    def get_sqlalchemy_engine(self, engine_kwargs: dict[str, Any] | None = None) -> Any:
        """There is no engine: using what is returned raises an error."""
        return _NoEngine()

    def get_openlineage_database_info(self, connection: Any) -> DatabaseInfo:
        """With it OpenLineage finds the tables in a statement's text. It cannot query their columns."""
        from airflow.providers.openlineage.sqlparser import DatabaseInfo

        return DatabaseInfo(scheme=NAMESPACE, database="spark_catalog")

    def get_openlineage_database_dialect(self, connection: Any) -> str:
        """Of those that OpenLineage's parser knows, the nearest to Spark's."""
        return "databricks"

    def get_openlineage_default_schema(self) -> str:
        """The database of a table that is named without one."""
        return "default"

    get_connection_form_widgets = WherobotsHook.get_connection_form_widgets
    get_ui_field_behaviour = WherobotsHook.get_ui_field_behaviour


class _NoEngine:
    """OpenLineage compiles a query for columns with it. The query's text is empty, so OpenLineage sends none."""

    dialect = SimpleNamespace(statement_compiler=lambda *_, **__: "")

    def __getattr__(self, name: str) -> NoReturn:
        raise refused("SQLAlchemy does not know Wherobots")


def _plain(value: Any) -> Any:
    """The value of an enum, such as the official provider's; None for an empty field of a connection."""
    value = value.value if isinstance(value, Enum) else value
    return None if value == "" else value


def _checked_choice(argument: str, value: Any, choices: tuple[str, ...]) -> str:
    """The first choice is the default."""
    value = _plain(value) or choices[0]
    if value not in choices:
        raise InvalidArgumentError(f"{argument}={value!r}: must be {', '.join(choices[:-1])} or {choices[-1]}")
    return str(value)


def check_installed(*, frames: bool = False) -> None:
    """Check that the packages that SQL needs are installed, without importing them."""
    if absent := missing(frames=frames):
        raise AirflowOptionalProviderFeatureException(absent)


def _check_no_event_loop() -> None:
    """Refuse to block an event loop: it is the triggerer's, with all other triggers, or the caller's own."""
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise refused(
            "The hook waits for its statements, so it must not be called in an event loop, where nothing else runs "
            "meanwhile. A trigger that calls it cannot be used, such as that of GenericTransfer(page_size=...) below "
            "Airflow 3.2; in own code call it with asyncio.to_thread()"
        )


def table_of(asset: Any, context: Any) -> Dataset:
    """The table of an asset such as ``wherobots://catalog/database/table``, named as SQL names it.

    Airflow's OpenLineage provider calls it, as ``get_provider_info`` says.
    """
    from openlineage.client.event_v2 import Dataset

    uri = urlsplit(asset.uri)
    return Dataset(namespace=NAMESPACE, name=f"{uri.netloc}{uri.path}".strip("/").replace("/", "."))
