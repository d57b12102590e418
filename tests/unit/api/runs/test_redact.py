import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.api.runs.payload import redact

SECRET = "hunter2-f3a9"


@pytest.mark.parametrize(
    "value",
    [
        {"password": SECRET},
        {"sparkConfigs": {"spark.hadoop.fs.s3a.secret.key": SECRET}},
        {"sparkConfigs": {"spark.hadoop.fs.s3a.access.key": SECRET}},
        {"sparkConfigs": {"spark.hadoop.fs.azure.account.key.x.dfs.core.windows.net": SECRET}},
        {"sparkConfigs": {"spark.jdbc.url": f"jdbc:postgresql://me:{SECRET}@db.example.com/x"}},
        {"sparkConfigs": {"spark.jdbc.url": f"jdbc:postgresql://db.example.com/x?user=me&password={SECRET}"}},
        {"sparkConfigs": {"spark.driver.extraJavaOptions": f"-Xmx1g -Dapi.token={SECRET} -Dx=y"}},
        {"args": ["--password", SECRET]},
        {"args": ["--api-key", SECRET]},
        {"args": [f"--password={SECRET}"]},
        {"args": [f"API_TOKEN={SECRET}"]},
        {"args": [f'{{"password": "{SECRET}"}}']},
        {"args": [f"https://bucket.example.com/key?X-Amz-Signature={SECRET}&x=1"]},
        {"args": [f"Authorization: Bearer {SECRET}"]},
        [{"token": SECRET}],
        {"args": [f"--password=correct horse {SECRET}"]},
        {"args": [f"--password=a&b;{SECRET}"]},
        {"args": [f"password = {SECRET}"]},
        {"args": [f"x=1 password = {SECRET}"]},
        {"args": ["--db-pass", SECRET]},
        {"args": [f"{{'password': '{SECRET}'}}"]},
        {"args": [f"{{'user': 'me', 'password': 'a, {SECRET}'}}"]},
        {"args": [f"https://me:p@ss{SECRET}@example.com/x"]},
        {"args": [f"https://me:{SECRET}@p@example.com/x"]},
        {"args": [f"https://x.blob.core.windows.net/c/f?sv=2024-01-01&sig={SECRET}&se=2027"]},
        {"sparkConfigs": {"spark.dsn": f"host=db password='two {SECRET}' user=me"}},
        {"sparkConfigs": {"spark.jdbc.url": f"jdbc:sqlserver://db;user=me;password={{a;{SECRET}}};x=1"}},
    ],
)
def test_a_secret_is_found_by_the_name_beside_it(value: Any) -> None:
    shown = json.dumps(redact(value))
    assert SECRET not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "value",
    [
        {"uri": "s3://bucket/jobs/stats.py", "args": ["--country", "NZ", "--day=2026-11-26", 3, None, True]},
        {"sparkConfigs": {"spark.executor.memory": "4g", "spark.sql.session.timeZone": "UTC"}},
        "https://example.com/a/b?page=2",
        ["--verbose", "s3://bucket/key"],
        "InvalidName: the day of the month is out of range",
        "abfss://container@account.dfs.core.windows.net/x",
        ["--bypass", "yes", "compass=north", "passes: 3", "s3://a:b/c"],
    ],
)
def test_everything_else_is_shown(value: Any) -> None:
    assert redact(value) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_payload_keeps_its_shape(value: Any) -> None:
    assert shape(redact(value)) == shape(value)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else None
