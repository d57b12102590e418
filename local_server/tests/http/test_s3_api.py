"""An S3 client with a temporary key: objects whole and in parts, and the chunks that the SDK sends."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from local_server.tests.files.test_temporary_keys import RECORDED
from local_server.tests.support import Client
from wherobots_local.http.objects import S3Error
from wherobots_local.http.s3_api import _unchunked


def unchunked(body: bytes, size: int) -> bytes:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    async def joined() -> bytes:
        return b"".join([piece async for piece in _unchunked(stream())])

    return asyncio.run(joined())


def test_the_body_of_the_sdk_is_read() -> None:
    assert unchunked(RECORDED["body"].encode(), 7) == b"print('hello')\n"


@given(st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 50))
def test_chunks_do_not_depend_on_how_they_arrive(chunks: list[bytes], size: int) -> None:
    body = b"".join(b"%x;chunk-signature=00\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    assert unchunked(body + b"0\r\nx-amz-checksum-crc32:x\r\n\r\n", size) == b"".join(chunks)


@pytest.mark.parametrize("body", [b"", b"x", b"zz\r\n", b"5\r\nabc", b"1\r\nab\r\n0\r\n\r\n", b"a" * 50_000])
def test_chunks_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(S3Error):
        unchunked(body, 1000)


class Signer:
    """An S3 client in a few lines."""

    def __init__(self, client: Client, path: str, mode: str = "read_write") -> None:
        body = {"path": path, "access_mode": mode}
        answer = client.request("POST", "/storage/credentials", json=body)
        assert answer.status_code == 200, answer.text
        self.key = answer.json()
        self.client = client

    def send(self, method: str, path: str, content: bytes = b"", query: str = "") -> requests.Response:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        host = self.client.url.removeprefix("http://")
        digest = hashlib.sha256(content).hexdigest()
        signed = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
        scope = f"{moment[:8]}/{self.key['region']}/s3/aws4_request"
        names = ";".join(signed)
        heads = "".join(f"{name}:{value}\n" for name, value in signed.items())
        canonical = f"{method}\n/_s3/{path}\n{query}\n{heads}\n{names}\n{digest}"
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.key['secretAccessKey']}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        credential = f"Credential={self.key['accessKeyId']}/{scope}"
        headers = {
            **signed,
            "x-amz-security-token": self.key["sessionToken"],
            "authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}",
        }
        url = f"{self.client.url}/_s3/{path}" + (f"?{query}" if query else "")
        return requests.request(method, url, data=content, headers=headers, timeout=30)


@pytest.fixture
def client(client: Client) -> Client:
    (client.root / "bucket").mkdir(exist_ok=True)
    return client


def code_of(answer: requests.Response) -> str:
    return answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_an_object_is_written_and_read_with_a_temporary_key(client: Client) -> None:
    signer = Signer(client, "s3://bucket/scripts")
    assert signer.send("PUT", "bucket/scripts/x.py", b"print('by S3')\n").status_code == 200
    assert signer.send("GET", "bucket/scripts/x.py").content == b"print('by S3')\n"
    run = client.create(runPython={"uri": "s3://bucket/scripts/x.py"})
    client.wait(run["id"], "COMPLETED")
    assert client.lines(run["id"]) == ["by S3"]


def test_a_temporary_key_is_good_for_its_path_and_mode(client: Client) -> None:
    signer = Signer(client, "s3://bucket/scripts")
    assert code_of(signer.send("PUT", "bucket/other/x.py", b"x")) == "AccessDenied"
    assert code_of(signer.send("PUT", "bucket/scripts//x.py", b"x")) == "InvalidArgument"
    reader = Signer(client, "s3://bucket/scripts", "read")
    assert code_of(reader.send("PUT", "bucket/scripts/x.py", b"x")) == "AccessDenied"
    assert code_of(signer.send("GET", "bucket/scripts/none.py")) == "NoSuchKey"
    assert code_of(signer.send("GET", "bucket/scripts/x", query="list-type=2")) == "NotImplemented"
    answer = requests.put(f"{client.url}/_s3/bucket/x", data=b"x", headers={"X-API-Key": "test-key"}, timeout=30)
    assert (answer.status_code, code_of(answer)) == (403, "AccessDenied")
    assert not (client.root / "bucket" / "other").exists()


def test_an_object_is_written_in_parts(client: Client) -> None:
    signer, path = Signer(client, "s3://bucket/big"), "bucket/big/file.bin"
    begun = signer.send("POST", path, query="uploads=").text
    upload = begun.partition("<UploadId>")[2].partition("</UploadId>")[0]
    for number, content in ((2, b"world"), (1, b"lost"), (1, b"hello ")):
        answer = signer.send("PUT", path, content, query=f"partNumber={number}&uploadId={upload}")
        assert answer.status_code == 200, answer.text
    assert code_of(signer.send("PUT", path, b"x", query=f"partNumber=0&uploadId={upload}")) == "InvalidArgument"
    assert not (client.root / path).exists()
    assert signer.send("POST", path, query=f"uploadId={upload}").status_code == 200
    assert (client.root / path).read_bytes() == b"hello world"
    assert code_of(signer.send("POST", path, query=f"uploadId={upload}")) == "NoSuchUpload"
    assert list((client.root / ".wherobots-local" / "uploads").iterdir()) == []


def test_parts_can_be_given_up(client: Client) -> None:
    signer, path = Signer(client, "s3://bucket/big"), "bucket/big/none.bin"
    begun = signer.send("POST", path, query="uploads=").text
    upload = begun.partition("<UploadId>")[2].partition("</UploadId>")[0]
    signer.send("PUT", path, b"x", query=f"partNumber=1&uploadId={upload}")
    assert signer.send("DELETE", path, query=f"uploadId={upload}").status_code == 204
    assert list((client.root / ".wherobots-local" / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"path": "s3://nobucket/x"}, 404),
        ({"path": "nobucket"}, 422),
        ({"path": "s3://bucket/x", "access_mode": "all"}, 422),
        ({}, 422),
    ],
)
def test_keys_that_are_not_given_out(body: dict[str, str], status: int, client: Client) -> None:
    assert client.request("POST", "/storage/credentials", json=body).status_code == status
