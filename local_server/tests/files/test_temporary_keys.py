"""Temporary keys for S3 clients: what a real client signed is accepted, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from wherobots_local.files.temporary_keys import SignedRequest, TemporaryKey, TemporaryKeys

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "boto3_upload.json").read_text())
NOW = datetime(2026, 11, 26, 4, 52, 30, tzinfo=UTC)


def recorded(**changes: str) -> SignedRequest:
    parts = {key: RECORDED[key] for key in ("method", "path", "query")}
    return SignedRequest(**{**parts, **changes}, headers=RECORDED["headers"])


@pytest.fixture
def keys() -> TemporaryKeys:
    """The keys of the server that the recorded upload was sent to."""
    made = TemporaryKeys()
    key = TemporaryKey(writes=True, expires=NOW + timedelta(hours=1), **RECORDED["key"])
    made._keys[key.id] = key
    return made


def test_an_upload_of_the_sdk_is_accepted(keys: TemporaryKeys) -> None:
    key = keys.signer(recorded(), NOW)
    assert isinstance(key, TemporaryKey)
    assert key.admits(RECORDED["key"]["path"], writing=True)


@pytest.mark.parametrize(
    ("request_", "moment", "code"),
    [
        (recorded(method="GET"), NOW, "SignatureDoesNotMatch"),
        (recorded(path="/_s3/other/key"), NOW, "SignatureDoesNotMatch"),
        (recorded(query="uploads="), NOW, "SignatureDoesNotMatch"),
        (recorded(), NOW + timedelta(hours=2), "ExpiredToken"),
        (replace(recorded(), headers={}), NOW, "AccessDenied"),
        (replace(recorded(), headers={**RECORDED["headers"], "host": "evil.example"}), NOW, "SignatureDoesNotMatch"),
        (replace(recorded(), headers={**RECORDED["headers"], "x-amz-date": ""}), NOW, "SignatureDoesNotMatch"),
        (replace(recorded(), headers={**RECORDED["headers"], "x-amz-security-token": ""}), NOW, "InvalidAccessKeyId"),
    ],
)
def test_what_was_not_signed_is_refused(
    request_: SignedRequest, moment: datetime, code: str, keys: TemporaryKeys
) -> None:
    assert keys.signer(request_, moment) == code


def test_a_signature_must_cover_the_host(keys: TemporaryKeys) -> None:
    authorization = RECORDED["headers"]["authorization"].replace("host;", "")
    request = replace(recorded(), headers={**RECORDED["headers"], "authorization": authorization})
    assert keys.signer(request, NOW) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("path", "address", "admitted"),
    [
        ("s3://b/x", "s3://b/x", True),
        ("s3://b/x", "s3://b/x/y", True),
        ("s3://b/", "s3://b/y", True),
        ("s3://b/x", "s3://b/xy", False),
        ("s3://b/x", "s3://c/x", False),
    ],
)
def test_what_a_key_is_good_for(path: str, address: str, admitted: bool) -> None:
    key = TemporaryKeys().issue(path, writes=True)
    assert key.admits(address, writing=True) is admitted
    assert not replace(key, writes=False).admits(address, writing=True)
    assert key.secret not in repr(key)
