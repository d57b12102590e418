"""A task's SQL in one line, as it is read in its log."""

import pytest

from airflow_provider_wherobots.flows.sql.outcome import SqlSummary


@pytest.mark.parametrize(
    ("summary", "line"),
    [
        (
            SqlSummary("succeeded", "s1", "e1", "aws-us-west-2", "1.6.2", statements=1, seconds=3.2, rows=1000),
            "SQL session s1: succeeded; 1 statement in 3 seconds, rows 1,000, region aws-us-west-2, version 1.6.2",
        ),
        (
            SqlSummary("succeeded", "s1", statements=2, seconds=61.0, stored_bytes=1_500_000),
            "SQL session s1: succeeded; 2 statements in 1 minute 1 second, stored 1.5 MB",
        ),
        (SqlSummary("deadline", "s1"), "SQL session s1: stopped at the task's execution_timeout; 0 statements"),
        (SqlSummary("unknown", "s1", statements=1), "SQL session s1: outcome unknown; 1 statement"),
        (SqlSummary("not_sent", "s1"), "SQL session s1: not sent; 0 statements"),
    ],
)
def test_it_says_what_is_known(summary: SqlSummary, line: str) -> None:
    assert summary.describe() == line


def test_as_data_it_has_every_key() -> None:
    assert SqlSummary("unknown", "s1", statements=1).to_json() == {
        "state": "unknown",
        "session_id": "s1",
        "execution_id": None,
        "region": None,
        "version": None,
        "statements": 1,
        "seconds": 0.0,
        "rows": None,
        "stored_bytes": None,
    }
