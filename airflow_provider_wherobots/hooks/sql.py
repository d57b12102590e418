"""The hook for SQL: statements in a SQL session of Wherobots, with an Airflow connection."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_wherobots.api.connection import SQL_CONNECTION_TYPE, Settings
from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.calls import is_session_id
from airflow_provider_wherobots.api.sql.models import SqlSession
from airflow_provider_wherobots.api.sql.session_request import MULTI, SessionRequest
from airflow_provider_wherobots.compat import AirflowOptionalProviderFeatureException
from airflow_provider_wherobots.config import MAX_OUTAGE_SECONDS, configured
from airflow_provider_wherobots.exceptions import WherobotsArgumentException, without_retry
from airflow_provider_wherobots.hooks import connection_form
from airflow_provider_wherobots.hooks.wherobots import WherobotsHook
from airflow_provider_wherobots.sql.lexer import statements

HOW_TO_INSTALL = "pip install 'airflow-provider-wherobots[sql]'"

try:
    from airflow.providers.common.sql.hooks.sql import DbApiHook
except ImportError as error:
    raise AirflowOptionalProviderFeatureException(f"SQL needs more packages ({error}): {HOW_TO_INSTALL}") from error

if TYPE_CHECKING:
    import pandas
    import polars

    from airflow_provider_wherobots.dbapi.connection import Connection
    from airflow_provider_wherobots.dbapi.cursor import Cursor

GEOMETRIES = ("ewkt", "wkt", "wkb", "ewkb", "geojson")
SESSION_WAIT_SECONDS = 900.0
PACKAGES = ("pyarrow", "cbor2")


class WherobotsSqlHook(DbApiHook):
    """Executes statements in a SQL session of Wherobots.

    Connections with the same arguments share one session, unless it is to be new. Each :meth:`get_conn`, and so each
    :meth:`run`, is a connection of its own. A session ends by itself some time after its last connection.

    All arguments but the connection's id may be None or empty, which takes the default.

    :param region: compute region; None takes the connection's, else the organisation's.
    :param wherobots_conn_id: id of the connection; default ``wherobots_default``. Its type is ``wherobots_sql`` or
        ``wherobots``, or ``generic`` or ``http`` if it was made for the official provider. Operators that find their
        hook by the connection need the type ``wherobots_sql``.
    :param runtime: runtime of the session; None takes the connection's, else the organisation's.
    :param version: Wherobots version; None takes the connection's, else the latest.
    :param session_wait_timeout: how long a session may take to become ready, in seconds; default 900.
    :param read_timeout: has no effect; the official provider's hook has it.
    :param force_new: whether the hook gets a session of its own, which it uses as long as it lives; default False.
    :param session_type: ``multi`` (default), which connections share, or ``single``.
    :param session_key: only hooks with the same key share a session; None shares with those without a key.
    :param shutdown_after_inactive_seconds: how long the session lives after its last connection, in seconds; None takes
        the service's default.
    :param geometry: how geometries are written: ``ewkt`` (default), ``wkt``, ``wkb``, ``ewkb`` or ``geojson``.
    :param session_id: id of a session to use; default None, one is asked for.
    :param log_sql: whether statements are logged, with their literals masked; default True.
    :param unused: anything else, which has no effect: operators pass all keys of the connection's extra.
    :raises WherobotsArgumentException: names the argument, the value and the rule. Not retried.
    """

    conn_name_attr = "wherobots_conn_id"
    default_conn_name = WherobotsHook.default_conn_name
    conn_type = SQL_CONNECTION_TYPE
    hook_name = connection_form.SQL_HOOK_NAME
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
            self._wait_seconds = _checked_wait(session_wait_timeout)
            self._geometry = _checked_geometry(geometry)
            self._given_session_id = _checked_session_id(_plain(session_id))
        except InvalidArgumentError as error:
            raise without_retry(WherobotsArgumentException(str(error))) from None
        self._connections: list[Connection] = []
        self.session: SqlSession | None = None
        """The session of the last connection; None before the first."""
        self.before_statement: Callable[[str], None] | None = None
        """Takes the id of each execution before it is sent."""

    @property
    def settings(self) -> Settings:
        """The connection, read once.

        :raises WherobotsArgumentException: when a field of it breaks a rule.
        :raises AirflowNotFoundException: when there is no such connection.
        """
        return self._rest.settings

    @property
    def session_request(self) -> SessionRequest:
        """Which session is asked for: the hook's arguments, and the connection's where there is none."""
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
        raise without_retry(
            WherobotsArgumentException(
                f"database={database!r}: connections share their session, so it has no current database: name it in "
                "the statement, such as catalog.database.table"
            )
        )

    def get_conn(self) -> Connection:
        """Wait for a session, and connect to it; the caller closes the connection.

        :returns: a connection as PEP 249 describes it, whose cursor waits for the end of each statement.
        :raises WherobotsSqlSessionException: if the session fails, or is not ready in time.
        :raises WherobotsException: of another kind for other failures.
        """
        check_installed()
        from airflow_provider_wherobots.dbapi.connection import Connection
        from airflow_provider_wherobots.dbapi.obtain_session import obtain_session
        from airflow_provider_wherobots.flows.sql.session import SessionWait, await_session
        from airflow_provider_wherobots.hooks.sql_failures import failure

        outage_seconds = configured(MAX_OUTAGE_SECONDS)
        request, wait = self.session_request, SessionWait(self._wait_seconds, outage_seconds)
        connection = Connection(
            self._rest.driver(),
            self.log.log,
            geometry=self._geometry,
            failure=failure,
            before_statement=self.before_statement,
            log_sql=self._logs_statements,
            max_outage_seconds=outage_seconds,
        )
        # One step each, which no other thread's can undo: a kill must find every connection.
        self._connections.append(connection)
        for closed in [one for one in self._connections if one.is_closed]:
            with suppress(ValueError):
                self._connections.remove(closed)
        try:
            if self._given_session_id is not None:
                connection.open(await_session(self._given_session_id, wait))
            else:
                # A request that is not repeatable would make one more session each time.
                kept = self.session.id if self.session is not None and not request.is_repeatable else None
                connection.open(obtain_session(request, wait, kept))
        except BaseException:
            connection.close()
            raise
        self.session = connection.session
        return connection

    def cancel_running(self, budget_seconds: float | None = None) -> bool:
        """Stop all connections of this hook: no statement begins any more, and those that run are cancelled.

        For an operator's ``on_kill``: a signal handler may call it.

        :param budget_seconds: how long to try for each, in seconds; None takes what Airflow leaves to a killed task.
        :returns: whether none runs any more.
        """
        open_ones = [one for one in self._connections if not one.is_closed]
        if not open_ones:
            return True
        from airflow_provider_wherobots.flows.sql.cancel import WORKER_CANCEL_BUDGET_SECONDS

        budget = WORKER_CANCEL_BUDGET_SECONDS if budget_seconds is None else budget_seconds
        ended = [one.stop(budget) for one in open_ones]
        return all(ended)

    def test_connection(self) -> tuple[bool, str]:  # type: ignore[override]
        """Try the connection with one cheap call, for the Test button. Starts no session, and takes 10 s at most.

        :returns: whether it works, and a message that says what is wrong, with the service's own words.
        """
        works, message = self._rest.test_connection()
        return works, f"{message}. No SQL session was started" if works else message

    def get_uri(self) -> str:
        """The address of the API, without the key."""
        return f"{self.conn_type}://{urlsplit(self.settings.endpoint.base_url).netloc}"

    @staticmethod
    def split_sql_string(sql: str, strip_semicolon: bool = False) -> list[str]:
        """Split SQL at its semicolons. Comments and hints are kept.

        :param sql: one or more statements.
        :param strip_semicolon: has no effect: the statements never have one.
        """
        return statements(sql)

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """The form's extra fields, for Airflow before 3.2."""
        return WherobotsHook.get_connection_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """The form's standard fields, for Airflow before 3.2."""
        return connection_form.field_behaviour()

    def _get_pandas_df(
        self, sql: str | list[str], parameters: Iterable[Any] | Mapping[str, Any] | None = None, **kwargs: Any
    ) -> pandas.DataFrame:
        frame: pandas.DataFrame = self._frame("pandas", sql, parameters, kwargs)
        return frame

    def _get_polars_df(
        self, sql: str | list[str], parameters: Iterable[Any] | Mapping[str, Any] | None = None, **kwargs: Any
    ) -> polars.DataFrame:
        frame: polars.DataFrame = self._frame("polars", sql, parameters, kwargs)
        return frame

    def _get_pandas_df_by_chunks(
        self, sql: Any, parameters: Any = None, *, chunksize: int, **kwargs: Any
    ) -> Generator[pandas.DataFrame, None, None]:
        frame = self._get_pandas_df(sql, parameters, **kwargs)
        yield from (frame.iloc[start : start + chunksize] for start in range(0, len(frame), chunksize))

    def _get_polars_df_by_chunks(
        self, sql: Any, parameters: Any = None, *, chunksize: int, **kwargs: Any
    ) -> Generator[polars.DataFrame, None, None]:
        frame = self._get_polars_df(sql, parameters, **kwargs)
        yield from (frame.slice(start, chunksize) for start in range(0, len(frame), chunksize))

    def _frame(self, kind: str, sql: Any, parameters: Any, others: Mapping[str, Any]) -> Any:
        if others:
            raise TypeError(f"get_df: unknown arguments: {', '.join(others)}")
        if find_spec(kind) is None:
            raise AirflowOptionalProviderFeatureException(f"{kind} is not installed: pip install {kind}")

        def fetch(cursor: Cursor) -> Any:
            return cursor.fetch_pandas() if kind == "pandas" else cursor.fetch_polars()

        frames: Any = self.run(sql, parameters=parameters, handler=fetch)
        return frames if isinstance(sql, str) else frames[-1]

    @staticmethod
    def _serialize_cell(cell: Any, conn: Any = None) -> Any:
        # The cursor makes a literal of its type's own.
        return cell


def check_installed() -> None:
    """Check that what a statement needs is installed.

    :raises AirflowOptionalProviderFeatureException: names what is missing, and how to install it.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise AirflowOptionalProviderFeatureException(f"SQL needs {' and '.join(missing)}: {HOW_TO_INSTALL}")


def _plain(value: Any) -> Any:
    """The value of an enum, such as the official provider's; None for an empty field of a connection."""
    value = value.value if isinstance(value, Enum) else value
    return None if value == "" else value


def _checked_wait(seconds: Any) -> float:
    if seconds is None:
        return SESSION_WAIT_SECONDS
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        raise InvalidArgumentError(f"session_wait_timeout={seconds!r}: must be a number of seconds above 0")
    return float(seconds)


def _checked_session_id(session_id: Any) -> str | None:
    if session_id is not None and not is_session_id(session_id):
        raise InvalidArgumentError(f"session_id={session_id!r}: must be the id of a SQL session, or None")
    return None if session_id is None else str(session_id)


def _checked_geometry(geometry: Any) -> str:
    geometry = _plain(geometry) or GEOMETRIES[0]
    if geometry not in GEOMETRIES:
        raise InvalidArgumentError(f"geometry={geometry!r}: must be {', '.join(GEOMETRIES[:-1])} or {GEOMETRIES[-1]}")
    return str(geometry)
