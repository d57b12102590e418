"""The messages of a SQL session, and the rules of the argument ``store``."""

import json
from enum import Enum
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.errors import InvalidArgumentError
from airflow_provider_wherobots.api.sql.messages import (
    MAX_ERROR_CHARS,
    CancelExecution,
    ExecuteSql,
    ExecutionError,
    ExecutionProgress,
    ExecutionResult,
    Results,
    RetrieveResults,
    StateUpdated,
    Store,
    read_message,
    read_store,
)


def test_a_statement_is_sent_with_its_id_and_asks_for_progress() -> None:
    message = ExecuteSql("e1", "SELECT 'ä'")
    assert json.loads(message.to_text()) == {
        "kind": "execute_sql",
        "execution_id": "e1",
        "statement": "SELECT 'ä'",
        "enable_progress_events": True,
    }
    assert "SELECT" not in repr(message)


def test_a_store_is_sent_with_its_booleans_as_text() -> None:
    store = Store("csv", single=True, presigned_url=True, options={"header": "true"})
    assert json.loads(ExecuteSql("e1", "SELECT", store).to_text())["store"] == {
        "format": "csv",
        "single": "true",
        "generate_presigned_url": "true",
        "options": {"header": "true"},
    }
    assert Store("parquet").to_json() == {
        "format": "parquet",
        "single": "false",
        "generate_presigned_url": "false",
    }


def test_a_result_is_asked_for_as_arrow_and_attaching_only_if_it_is_wanted() -> None:
    asked = {
        "kind": "retrieve_results",
        "execution_id": "e1",
        "format": "arrow",
        "compression": "zstd",
        "geometry": "wkb",
    }
    assert json.loads(RetrieveResults("e1", "wkb").to_text()) == asked
    assert json.loads(RetrieveResults("e1", "wkb", attach=True).to_text()) == {**asked, "attach": True}


def test_a_cancel_has_the_id_only() -> None:
    assert json.loads(CancelExecution("e1").to_text()) == {"kind": "cancel", "execution_id": "e1"}


RESULT = {
    "result_bytes": b"\x28\xb5",
    "format": "arrow",
    "compression": "zstd",
    "geometry": "ewkt",
    "geo_columns": ["geom"],
}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"kind": "state_updated", "state": "running"}, StateUpdated("e1", "running")),
        ({"kind": "state_updated", "state": "SUCCEEDED"}, StateUpdated("e1", "succeeded")),
        (
            {"kind": "state_updated", "state": "succeeded", "result_uri": "s3://b/r", "size": 7},
            StateUpdated("e1", "succeeded", "s3://b/r", 7),
        ),
        (
            {"kind": "state_updated", "state": "succeeded", "result_uri": None, "size": None},
            StateUpdated("e1", "succeeded"),
        ),
        ({"kind": "state_updated", "state": 5, "result_uri": 5, "size": True}, StateUpdated("e1", "5")),
        ({"kind": "state_updated"}, StateUpdated("e1", "")),
        ({"kind": "error", "message": "boom"}, ExecutionError("e1", "boom")),
        ({"kind": "error", "message": None}, ExecutionError("e1", "")),
        (
            {"kind": "execution_progress", "tasks_total": 8, "tasks_completed": 3, "tasks_active": 4},
            ExecutionProgress("e1", 8, 3, 4),
        ),
        ({"kind": "execution_progress", "tasks_total": "8", "tasks_completed": -3}, ExecutionProgress("e1", 0, 0, 0)),
        ({"kind": "execution_result", "state": "running", "results": None}, ExecutionResult("e1", "running")),
        (
            {"kind": "execution_result", "state": "running", "attached": True},
            ExecutionResult("e1", "running", attached=True),
        ),
        ({"kind": "execution_result", "state": "running", "attached": "yes"}, ExecutionResult("e1", "running")),
        (
            {"kind": "execution_result", "state": "succeeded", "results": RESULT},
            ExecutionResult("e1", "succeeded", results=Results(b"\x28\xb5", "arrow", "zstd")),
        ),
        (
            {"kind": "execution_result", "state": "succeeded", "results": {"result_bytes": b"x"}},
            ExecutionResult("e1", "succeeded", results=Results(b"x", "arrow", "none")),
        ),
        ({"kind": "execution_result", "state": "succeeded", "results": [1]}, ExecutionResult("e1", "succeeded")),
    ],
)
def test_a_binary_frame_is_cbor(document: dict[str, Any], message: Any) -> None:
    assert read_message(cbor2.dumps({**document, "execution_id": "e1"})) == message


def test_a_text_frame_is_json() -> None:
    frame = '{"kind":"state_updated","execution_id":"e1","state":"running","later":{}}'
    assert read_message(frame) == StateUpdated("e1", "running")


@pytest.mark.parametrize(
    "frame",
    [
        "5",
        "null",
        "[]",
        '"text"',
        "{}",
        '{"kind": "state_updated"}',
        '{"kind": "state_updated", "execution_id": ""}',
        '{"kind": "state_updated", "execution_id": 5}',
        '{"kind": "of_a_later_version", "execution_id": "e1"}',
        '{"kind": ["error"], "execution_id": "e1"}',
        b"\xf6",
        b"\xa0",
        cbor2.dumps({1: 2}),
        cbor2.dumps(["error", "e1"]),
    ],
)
def test_a_frame_that_says_nothing_to_a_client_is_none(frame: str | bytes) -> None:
    assert read_message(frame) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(["state_updated", "execution_result", "error", "execution_progress"]),
    st.dictionaries(
        st.sampled_from(
            ["state", "results", "result_uri", "size", "attached", "message", "tasks_total", "tasks_completed"]
        ),
        VALUES,
    ),
)
def test_odd_values_make_a_message_all_the_same(kind: str, fields: dict[str, Any]) -> None:
    message = read_message(cbor2.dumps({"kind": kind, "execution_id": "e1", **fields}))
    assert message is not None
    assert message.execution_id == "e1"


def test_of_an_endless_error_the_beginning_is_kept() -> None:
    message = read_message(json.dumps({"kind": "error", "execution_id": "e1", "message": "execution " * 200_000}))
    assert isinstance(message, ExecutionError)
    assert len(message.message) == MAX_ERROR_CHARS
    assert not message.is_not_found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Execution not found", True),
        ("execution e1 was not found.", True),
        ("Unknown execution", True),
        ("[TABLE_OR_VIEW_NOT_FOUND] The table or view `t` cannot be found", False),
        ("Executions are slow", False),
        ("", False),
    ],
)
def test_an_execution_that_is_not_found_is_told_from_the_words(text: str, expected: bool) -> None:
    assert ExecutionError("e1", text).is_not_found is expected


@pytest.mark.parametrize("kind", [StateUpdated, ExecutionResult])
def test_three_states_are_final(kind: Any) -> None:
    states = ("pending", "running", "succeeded", "failed", "cancelled", "", "later")
    assert [state for state in states if kind("e1", state).is_final] == ["succeeded", "failed", "cancelled"]


def test_no_result_and_no_address_is_in_a_repr() -> None:
    assert "secret" not in repr(
        ExecutionResult("e1", "succeeded", results=Results(b"secret"), result_uri="https://b/r?sig=secret")
    )
    assert "secret" not in repr(StateUpdated("e1", "succeeded", "https://b/r?sig=secret"))


class Format(Enum):
    CSV = "csv"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"format": "parquet"}, Store("parquet")),
        ({"format": Format.CSV, "options": None}, Store("csv")),
        (
            {"format": "geojson", "single": True, "generate_presigned_url": True, "options": {"header": "true"}},
            Store("geojson", True, True, {"header": "true"}),
        ),
    ],
)
def test_what_is_read(given: Any, expected: Store) -> None:
    assert read_store(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("parquet", "store='parquet': must be a dict"),
        ({}, r"store\['format'\]=None: must be parquet, csv or geojson"),
        ({"format": "PARQUET"}, "'PARQUET'"),
        ({"format": "csv", "path": "s3://x"}, "unknown key 'path'"),
        ({"format": "csv", "single": "true"}, r"store\['single'\]='true': must be True or False"),
        ({"format": "csv", "generate_presigned_url": True}, r"needs store\['single'\]=True"),
        ({"format": "csv", "options": []}, r"store\['options'\]=\[\]: must be a dict"),
        ({"format": "csv", "options": {"header": True}}, r"store\['options'\]\['header'\]=True: name and value"),
    ],
)
def test_what_breaks_a_rule(given: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        read_store(given)
