"""The package as a module of PEP 249, without an Airflow connection."""

import pytest

from airflow_provider_wherobots import dbapi
from tests.integration import sql_support
from tests.integration.sql_support import API_KEY
from wherobots_local import ControlClient, LocalServer

server, control = sql_support.server, sql_support.control


def test_it_says_what_it_is() -> None:
    assert (dbapi.apilevel, dbapi.threadsafety, dbapi.paramstyle) == ("2.0", 1, "pyformat")


def test_its_errors_have_the_order_of_pep_249() -> None:
    assert issubclass(dbapi.Warning, Exception)
    assert not issubclass(dbapi.Warning, dbapi.Error)
    assert issubclass(dbapi.InterfaceError, dbapi.Error)
    for kind in ("Data", "Operational", "Integrity", "Internal", "Programming", "NotSupported"):
        assert issubclass(getattr(dbapi, f"{kind}Error"), dbapi.DatabaseError)


def test_it_connects(server: LocalServer, control: ControlClient) -> None:
    with dbapi.connect(API_KEY, server.url, runtime="tiny") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT %(n)s AS n", {"n": 7})
        assert cursor.fetchone() == (7,)
        cursor.execute("DROP TABLE t")
        assert cursor.fetchone() is None
        with pytest.raises(dbapi.DatabaseError, match="gone"):
            cursor.execute("FAIL gone")
        with pytest.raises(dbapi.ProgrammingError, match="no rows to fetch"):
            cursor.fetchone()


def test_a_session_that_cannot_be_had_is_an_operational_error(server: LocalServer, control: ControlClient) -> None:
    with pytest.raises(dbapi.OperationalError, match="API key"):
        dbapi.connect("wrong", server.url)
    with pytest.raises(ValueError, match="session_type='many'"):
        dbapi.connect(API_KEY, server.url, session_type="many")
