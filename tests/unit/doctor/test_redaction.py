from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wherobots.doctor.check import Check, State, as_markdown, redacted
from airflow_provider_wherobots.doctor.redaction import Redactor, masked, names_in, names_of_host

KEY = "wbt_live_0a1b2c3d4e5f"
PRINTABLE = st.characters(min_codepoint=33, max_codepoint=126)
SECRETS = st.text(PRINTABLE, min_size=1, max_size=40)
NAMES = st.from_regex(r"[A-Z][a-z0-9]{4,11}(-[a-z0-9]{3,8})?", fullmatch=True)


def report_with(text: str, redactor: Redactor) -> str:
    """A report in which a text stands in every place that the service or the environment fills."""
    checks = [Check("a check", State.FAILED, text, text)]
    return redactor.hide_secrets(as_markdown(redacted(checks, redactor.hide_all), "today"))


@given(secret=SECRETS, around=st.text(max_size=20))
def test_no_secret_is_in_a_report(secret: str, around: str) -> None:
    assert secret not in report_with(f"{around}{secret}{around}", Redactor([secret]))


@given(secrets=st.lists(SECRETS, min_size=2, max_size=4))
def test_no_secret_is_completed_by_hiding_another(secrets: list[str]) -> None:
    text = report_with("".join(secrets) + " ".join(secrets), Redactor(secrets))
    assert [secret for secret in secrets if secret in text] == []


@given(secret=st.text(PRINTABLE, min_size=8, max_size=40))
def test_no_secret_is_in_a_report_in_another_form(secret: str) -> None:
    shown = report_with(f"?key={quote(secret, safe='')} {json.dumps(secret)}", Redactor([secret]))
    assert quote(secret, safe="") not in shown
    # Markdown escapes what it shows: a reader must not be able to undo that.
    assert secret not in shown.replace("\\", "")


@given(
    name=NAMES, form=st.sampled_from(["{}", "bucket {}!", "s3://{}/x", "https://{}.example.com/a", "a/{}_b", "({})"])
)
def test_no_name_is_in_a_report(name: str, form: str) -> None:
    shown = report_with(form.format(name), Redactor((), [name]))
    assert name not in shown
    assert name not in shown.replace("\\", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {KEY}.", "key ***."),
        ("https://u:pa@ss@api.cloud.wherobots.com/runs", "https://api.cloud.wherobots.com/runs"),
        ("s3://b/k?X-Amz-Signature=abc&X-Amz-Credential=d", "s3://b/k?***"),
        ("X-Amz-Security-Token=abc/def and more", "X-Amz-Security-Token=*** and more"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "***"),
        ("nothing to hide at 12:00", "nothing to hide at 12:00"),
    ],
)
def test_on_a_terminal(text: str, shown: str) -> None:
    assert Redactor([KEY]).hide_secrets(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://acme-bucket/org/data/customer-jane/job.py", "s3://ac…/…"),
        ("https://wherobots.acme.example/runs/1", "https://wh…/…"),
        ("https://api.cloud.wherobots.com/runs/1", "https://api.cloud.wherobots.com/runs/1"),
        ("https://api.cloud.wherobots.com.evil.example/runs", "https://ap…/…"),
        ("http://127.0.0.1:8765/runs", "http://127.0.0.1:8765/runs"),
        ("http://localhost:8765", "http://localhost:8765"),
        ("http://[::1]:8765/a", "http://[::1]:8765/a"),
        ("Failed to resolve 'proxy.acme.internal'", "Failed to resolve 'pr…'"),
        ("10.1.2.3 refused, 127.0.0.1 too", "10… refused, 127.0.0.1 too"),
        ("jane.doe@acme.example said no", "*** said no"),
        ("/home/jane/airflow/x.py", "/home/…/airflow/x.py"),
        ("arn:aws:iam::123456789012:role/acme", "***"),
        ("Airflow 3.3.1, Python 3.11.7", "Airflow 3.3.1, Python 3.11.7"),
        ("kubeApp.status is READY", "kubeApp.status is READY"),
        ("region byoc-acme-us-east-1", "region byoc-…"),
        ("the Acme bucket", "the Ac… bucket"),
    ],
)
def test_in_a_report(text: str, shown: str) -> None:
    assert Redactor([KEY], ["Acme"]).hide_all(text) == shown


def test_the_names_in_an_organization() -> None:
    document: dict[str, Any] = {
        "id": "org0id",
        "name": "Acme Maps",
        "domain": "acme.example",
        "defaultRegion": "aws-us-west-2",
        "plan": "PROFESSIONAL",
        "users": [{"id": "user0id", "email": "jane@acme.example", "name": "Jane", "roles": [{"name": "ADMIN"}]}],
        "fileStore": {"id": "store0id", "bucketName": "s3://wbts-wbc-acme"},
        "storageIntegrations": [{"name": "acme-lake", "path": "s3://acme-lake/data"}],
    }
    names = names_in(document)
    assert names >= {"org0id", "Acme Maps", "acme.example", "jane@acme.example", "Jane", "wbts-wbc-acme", "acme-lake"}
    # Values that describe the service, and do not identify the organization, stay readable.
    assert names & {"aws-us-west-2", "PROFESSIONAL", "ADMIN", "data"} == set()
    assert names_in(None) == names_in("text") == names_in([1]) == set()


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://api.cloud.wherobots.com", set()),
        ("https://api.staging.wherobots.com", set()),
        ("http://127.0.0.1:8765", set()),
        ("https://notwherobots.com", {"notwherobots.com"}),
        ("https://gateway.acme.example:8443/wherobots", {"gateway.acme.example"}),
    ],
)
def test_whose_host_is_named(url: str, names: set[str]) -> None:
    assert names_of_host(url) == names


def test_masked_names() -> None:
    assert (masked("acme"), masked("ab"), masked("")) == ("ac…", "***", "***")


def test_a_cell_of_the_report_is_one_line_without_markup() -> None:
    text = report_with("a | b\n<script> `x` [y](z) \x1b[31m *bold*", Redactor())
    (row,) = [line for line in text.splitlines() if line.startswith("| a check")]
    assert row.count(" | ") == 3
    assert "<script>" not in row.replace(r"\<", "")
    assert "\x1b" not in row
