"""The part of S3 that clients need to write and read objects with a temporary key. The SDK uploads scripts this way.
Clients find it by ``AWS_ENDPOINT_URL_S3``, with the path ``/_s3``."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wherobots_local.files.temporary_keys import SignedRequest
from wherobots_local.files.uploads import PartedUpload, Uploads
from wherobots_local.http.objects import ObjectEndpoint, S3Error, store, stored, xml_response
from wherobots_local.service import LocalService
from wherobots_local.storage import SCHEME

PREFIX = "/_s3"

_MAX_PARTS = 10_000


def s3_routes(service: LocalService) -> list[Route]:
    endpoint = ObjectEndpoint(_handle, service)
    return [Route(f"{PREFIX}/{{key:path}}", endpoint, methods=["GET", "PUT", "POST", "DELETE"])]


async def _handle(service: LocalService, request: Request) -> Response:
    key = request.path_params["key"]
    address = f"{SCHEME}{key}"
    _authorize(service, request, address)
    if not key.partition("/")[2]:
        raise _not_implemented()
    query, uploads = request.query_params, service.uploads
    match request.method:
        case "GET" | "HEAD" if not query or set(query) <= {"x-id"}:
            return stored(service, address)
        case "PUT" if "uploadId" in query:
            return await _receive_part(uploads, request, query["uploadId"], address)
        case "PUT" if set(query) <= {"x-id"}:
            await store(service, address, _content(request))
            return Response(b"", 200, {"ETag": '"local"'})
        case "POST" if "uploads" in query:
            return _begin(uploads, address, key)
        case "POST" if "uploadId" in query:
            return await _complete(uploads, query["uploadId"], address, key)
        case "DELETE" if "uploadId" in query:
            _discard(uploads, query["uploadId"], address)
            return Response(b"", 204)
    raise _not_implemented()


def _authorize(service: LocalService, request: Request, address: str) -> None:
    raw_path = request.scope.get("raw_path") or request.url.path.encode()
    signed = SignedRequest(request.method, raw_path.decode("latin-1"), request.url.query, request.headers)
    key = service.temporary_keys.signer(signed, datetime.now(UTC))
    if isinstance(key, str):
        raise S3Error(403, key, "The request must be signed with a valid temporary key of this server")
    if not key.admits(address, writing=request.method not in ("GET", "HEAD")):
        raise S3Error(403, "AccessDenied", "The temporary key does not allow this")


def _begin(uploads: Uploads, address: str, key: str) -> Response:
    upload_id = secrets.token_urlsafe(24)
    uploads.parted[upload_id] = PartedUpload(address)
    bucket, _, name = key.partition("/")
    return xml_response(
        f"<InitiateMultipartUploadResult><Bucket>{escape(bucket)}</Bucket><Key>{escape(name)}</Key>"
        f"<UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
    )


async def _receive_part(uploads: Uploads, request: Request, upload_id: str, address: str) -> Response:
    upload = _upload(uploads, upload_id, address)
    number = request.query_params.get("partNumber", "")
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:6]) <= _MAX_PARTS):
        raise S3Error(400, "InvalidArgument", f"partNumber must be from 1 to {_MAX_PARTS}")
    part = await uploads.receive(_content(request))
    replaced = upload.parts.get(int(number))
    upload.parts[int(number)] = part
    if replaced is not None:
        uploads.discard(replaced)
    return Response(b"", 200, {"ETag": f'"part-{int(number)}"'})


async def _complete(uploads: Uploads, upload_id: str, address: str, key: str) -> Response:
    parts = _upload(uploads, upload_id, address).parts
    if not parts:
        raise S3Error(400, "InvalidPart", "No part has been uploaded")
    del uploads.parted[upload_id]
    await uploads.put_in_place([parts[number] for number in sorted(parts)], address)
    return xml_response(
        f"<CompleteMultipartUploadResult><Key>{escape(key.partition('/')[2])}</Key>"
        "<ETag>&quot;local&quot;</ETag></CompleteMultipartUploadResult>"
    )


def _discard(uploads: Uploads, upload_id: str, address: str) -> None:
    for part in _upload(uploads, upload_id, address).parts.values():
        uploads.discard(part)
    del uploads.parted[upload_id]


def _upload(uploads: Uploads, upload_id: str, address: str) -> PartedUpload:
    upload = uploads.parted.get(upload_id)
    if upload is None or upload.address != address:
        raise S3Error(404, "NoSuchUpload", "The specified upload does not exist.")
    return upload


def _not_implemented() -> S3Error:
    return S3Error(501, "NotImplemented", "The local server can only write and read objects")


def _content(request: Request) -> AsyncIterator[bytes]:
    """Return the bytes of an object: the body, or the content of its chunks."""
    kind = request.headers.get("x-amz-content-sha256", "")
    return _unchunked(request.stream()) if kind.startswith("STREAMING-") else request.stream()


async def _unchunked(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Decode ``aws-chunked``: each chunk begins with its size. The checksums at the end are ignored."""
    chunks = _Buffered(stream)
    while True:
        head = (await chunks.line()).partition(b";")[0]
        try:
            left = int(head, 16)
        except ValueError:
            raise _unreadable() from None
        if left <= 0:
            break
        while left:
            piece = await chunks.at_most(left)
            left -= len(piece)
            yield piece
        if await chunks.line():
            raise _unreadable()
    # What follows can only be checksums.
    async for _ in stream:
        pass


class _Buffered:
    """Reads a body by lines and pieces."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._buffer = b""

    async def line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._buffer += await self._next()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    async def at_most(self, size: int) -> bytes:
        if not self._buffer:
            self._buffer = await self._next()
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        return piece

    async def _next(self) -> bytes:
        async for piece in self._stream:
            if piece:
                return piece
        raise S3Error(400, "IncompleteBody", "The body ends before its last chunk")


def _unreadable() -> S3Error:
    return S3Error(400, "InvalidRequest", "The chunks of the body cannot be read")
