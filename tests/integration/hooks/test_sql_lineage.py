"""The tables that Airflow's real OpenLineage provider finds in statements. Nothing is sent to Wherobots for that."""

from datetime import date
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.assets import Asset
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator, SQLTableCheckOperator
from airflow.providers.openlineage.sqlparser import get_openlineage_facets_with_sql
from airflow.providers.openlineage.utils.utils import translate_airflow_asset

from airflow_provider_wherobots.exceptions import WherobotsArgumentException
from airflow_provider_wherobots.hooks.sql import WherobotsSqlHook
from airflow_provider_wherobots.operators.sql import WherobotsSqlOperator
from tests.integration import sql_support
from tests.integration.sql_support import CONN_ID, set_connection
from tests.integration.support import Said
from wherobots_local import ControlClient, LocalServer

server, control = sql_support.server, sql_support.control
COPY = "INSERT INTO org_catalog.hail.large SELECT * FROM hail.reports WHERE mm > 40 AND state = 'secret'"
needs_fallback = pytest.mark.skipif(
    tuple(map(int, version("apache-airflow-providers-openlineage").split(".")[:2])) < (2, 11),
    reason="this version finds tables only by a query",
)
INPUT, OUTPUT = "spark_catalog.hail.reports", "org_catalog.hail.large"


@pytest.fixture(autouse=True)
def connection(server: LocalServer, control: ControlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection(monkeypatch, server)


@pytest.fixture(autouse=True)
def nothing_is_sent(connection: None, control: ControlClient) -> Any:
    yield
    assert control.requests() == []


def tables_of(found: Any) -> tuple[list[str], list[str]]:
    """The names of the tables that were read and written."""
    assert {one.namespace for one in (*found.inputs, *found.outputs)} <= {"wherobots"}
    return [one.name for one in found.inputs], [one.name for one in found.outputs]


def test_the_operators_tables_are_told_at_its_start_and_its_end(said: Said) -> None:
    task = WherobotsSqlOperator(task_id="copy", sql=[COPY, "SELECT 1"])
    for found in (task.get_openlineage_facets_on_start(), task.get_openlineage_facets_on_complete(SimpleNamespace())):
        assert tables_of(found) == ([INPUT], [OUTPUT])
    assert "failed to enrich" not in said()


def test_placeholders_are_replaced_and_no_literal_is_told() -> None:
    task = WherobotsSqlOperator(
        task_id="copy",
        sql="SELECT * FROM %(table)i WHERE day = %(day)s AND state = 'secret'; MERGE 'secret'; DROP TABLE c.s.old",
        parameters={"table": ["c", "s", "t"], "day": date(2026, 1, 2)},
        split_statements=True,
    )
    found = task.get_openlineage_facets_on_start()
    assert tables_of(found) == (["c.s.t"], ["c.s.old"])
    assert found.job_facets["sql"].query == (
        "SELECT * FROM `c`.`s`.`t` WHERE day = DATE ? AND state = ?;\nMERGE ?;\nDROP TABLE c.s.old"
    )
    assert "secret" not in repr(found)


@needs_fallback
@pytest.mark.parametrize(
    "operator",
    [
        lambda: SQLExecuteQueryOperator(task_id="copy", conn_id=CONN_ID, sql="SELECT * FROM hail.reports"),
        lambda: SQLTableCheckOperator(
            task_id="check", conn_id=CONN_ID, table="hail.reports", checks={"some": {"check_statement": "COUNT(*) > 0"}}
        ),
    ],
)
def test_the_tables_of_airflows_own_operators_are_told_without_a_query(operator: Any, said: Said) -> None:
    assert set(tables_of(operator().get_openlineage_facets_on_start())[0]) == {INPUT}
    assert "failed to enrich" not in said()


def test_an_older_openlineage_provider_tells_the_statement_without_a_query() -> None:
    found = SQLExecuteQueryOperator(task_id="copy", conn_id=CONN_ID, sql=COPY).get_openlineage_facets_on_start()
    assert found is not None
    assert found.job_facets["sql"].query == COPY


@needs_fallback
def test_the_tables_of_the_hook_are_told() -> None:
    found = get_openlineage_facets_with_sql(WherobotsSqlHook(), COPY, CONN_ID, None)
    assert tables_of(found) == ([INPUT], [OUTPUT])


def test_there_is_no_engine_of_sqlalchemy() -> None:
    with pytest.raises(WherobotsArgumentException, match="SQLAlchemy"):
        WherobotsSqlHook().get_sqlalchemy_engine().connect()


@pytest.mark.parametrize(
    ("uri", "table"),
    [
        ("wherobots://org_catalog/hail/large", OUTPUT),
        ("wherobots://org_catalog/hail/large/", OUTPUT),
        ("wherobots://Org/H/T?day=1", "Org.H.T"),
    ],
)
def test_an_asset_is_the_table_of_a_statement(uri: str, table: str) -> None:
    found = translate_airflow_asset(Asset(uri), None)
    assert found is not None
    assert (found.namespace, found.name) == ("wherobots", table)
