"""Ids by which a later try, perhaps of a later version of this package, finds what an earlier one has executed."""

from airflow_provider_wherobots.api.sql.messages import Store
from airflow_provider_wherobots.flows.sql.execution_ids import ExecutionIds


def test_they_are_the_same_in_every_version() -> None:
    ids = ExecutionIds("task")
    assert ids.of(1, 0, "SELECT 1") == "c4213c2b-d28b-5c37-8163-530a81c40297"
    assert ids.of(1, 0, "SELECT 1", Store("parquet")) == "91f9118b-07a6-5ba6-9f65-52067b67afa1"
