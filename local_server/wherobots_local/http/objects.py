"""Uploads and downloads over presigned URLs. Errors are those of S3, like on the service."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterable, Awaitable, Callable
from xml.sax.saxutils import escape

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from wherobots_local.api.errors import GET_OBJECT, PUT_OBJECT
from wherobots_local.control.faults import FaultTarget
from wherobots_local.control.journal import JournalEntry
from wherobots_local.files import uploads
from wherobots_local.files.uploads import PREFIX, TooLargeError, UploadEndedError
from wherobots_local.http.faults import respond
from wherobots_local.service import LocalService
from wherobots_local.storage import SCHEME, StorageError, local_path


class S3Error(Exception):
    """An error of S3, in XML."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)

    def response(self) -> Response:
        text = f"<Error><Code>{self.code}</Code><Message>{escape(str(self))}</Message></Error>"
        return xml_response(text, self.status)


ObjectHandler = Callable[[LocalService, Request], Awaitable[Response]]
"""Handles a request and reads its body; raises ``S3Error`` for a wrong request."""


class ObjectEndpoint:
    """Requests for objects. Faults apply to them too, and they are in the journal."""

    def __init__(self, handler: ObjectHandler, service: LocalService) -> None:
        self._handler = handler
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await self._service.settled()
        operation = GET_OBJECT if request.method in ("GET", "HEAD") else PUT_OBJECT
        # Without the query, which contains the signature.
        entry = JournalEntry(operation, request.method, request.url.path)
        self._service.journal.record(entry)

        async def handle() -> Response:
            try:
                return await self._handler(self._service, request)
            except S3Error as error:
                return error.response()
            except UploadEndedError:
                return S3Error(409, "OperationAborted", "The server was reset during the upload. Try again.").response()
            except TooLargeError as error:
                return S3Error(400, "EntityTooLarge", str(error)).response()
            except (StorageError, OSError, ValueError) as error:
                reason = str(getattr(error, "strerror", None) or error)
                return S3Error(400, "InvalidArgument", reason).response()

        with contextlib.suppress(ClientDisconnect):
            await respond(self._service, entry, FaultTarget(operation), handle, scope, receive, send)


def object_routes(service: LocalService) -> list[Route]:
    return [Route(f"{PREFIX}/{{key:path}}", ObjectEndpoint(_presigned, service), methods=["GET", "PUT"])]


async def store(service: LocalService, address: str, pieces: AsyncIterable[bytes]) -> None:
    """Write an object completely, or not at all."""
    if address.endswith("/"):
        raise S3Error(400, "InvalidArgument", "The key names a folder")
    await service.uploads.receive(pieces, address)


def stored(service: LocalService, address: str) -> Response:
    """Return an object. It is a 404 if there is none."""
    try:
        path = local_path(service.root, address)
    except StorageError:
        raise S3Error(404, "NoSuchKey", "The specified key does not exist.") from None
    # As an attachment, so that a browser does not run it with the server's own origin.
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


def xml_response(text: str, status: int = 200) -> Response:
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', status, media_type="application/xml")


async def _presigned(service: LocalService, request: Request) -> Response:
    key = request.path_params["key"]
    method = "GET" if request.method == "HEAD" else request.method
    refusal = service.url_signer.refusal(method, key, request.query_params, time.time())
    if refusal is not None:
        raise S3Error(403, *refusal)
    if "x-api-key" in request.headers or "authorization" in request.headers:
        raise S3Error(400, "InvalidArgument", "Only one auth mechanism allowed: the URL is signed, so send no key")
    if method == "GET":
        return stored(service, f"{SCHEME}{key}")
    if "content-type" in request.headers:
        raise S3Error(403, "SignatureDoesNotMatch", "Content-Type is not part of what was signed")
    declared = request.headers.get("content-length")
    if declared is None:
        raise S3Error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if int(declared[:20]) > uploads.MAX_OBJECT_BYTES:
        raise TooLargeError
    await store(service, f"{SCHEME}{key}", request.stream())
    return Response(b"", 200, {"ETag": '"local"'})
