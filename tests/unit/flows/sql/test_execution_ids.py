"""Ids by which a later try, perhaps of a later version of this package, finds what an earlier one has executed."""

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.flows.sql.execution_ids import ExecutionIds, mark_of


def test_they_are_the_same_in_every_version() -> None:
    assert mark_of("SELECT 1") == "bbcf3e9b6d1f"
    assert mark_of("SELECT 1", Store("parquet")) == "a670c5de14a0"
    assert ExecutionIds("task").of(1, mark_of("SELECT 1")) == "d02ec9bc-7d37-5ca6-a937-944203e5874c"


def test_an_id_is_that_of_one_task_try_and_statement() -> None:
    marks = {mark_of("a"), mark_of("b"), mark_of("a", occurrence=1), mark_of("a", Store("csv"))}
    assert len(marks) == 4
    ids = {ExecutionIds("t").of(1, "a"), ExecutionIds("t").of(2, "a"), ExecutionIds("u").of(1, "a")}
    assert len(ids) == 3
