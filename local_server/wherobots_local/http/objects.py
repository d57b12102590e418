"""Uploads and downloads over presigned URLs. Errors are those of S3, like on the service."""

from __future__ import annotations

import contextlib
import time
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
    """An error of S3."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class ObjectEndpoint:
    """Requests for objects. Faults apply to them too, and they are in the journal."""

    def __init__(self, service: LocalService) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await self._service.settled()
        operation = PUT_OBJECT if request.method == "PUT" else GET_OBJECT
        # Without the query, which contains the signature.
        entry = JournalEntry(operation, request.method, request.url.path)
        self._service.journal.record(entry)

        async def handle() -> Response:
            try:
                return await self._handle(request)
            except S3Error as error:
                return _error(error.status, error.code, error)
            except UploadEndedError:
                return _error(409, "OperationAborted", "The server was reset during the upload. Try again.")
            except TooLargeError as error:
                return _error(400, "EntityTooLarge", error)
            except (StorageError, OSError, ValueError) as error:
                return _error(400, "InvalidArgument", getattr(error, "strerror", None) or error)

        with contextlib.suppress(ClientDisconnect):
            await respond(self._service, entry, FaultTarget(operation), handle, scope, receive, send)

    async def _handle(self, request: Request) -> Response:
        key: str = request.path_params["key"]
        method = "GET" if request.method == "HEAD" else request.method
        refusal = self._service.url_signer.refusal(method, key, request.query_params, time.time())
        if refusal is not None:
            raise S3Error(403, *refusal)
        if "x-api-key" in request.headers or "authorization" in request.headers:
            raise S3Error(400, "InvalidArgument", "Only one auth mechanism allowed: the URL is signed, so send no key")
        if method == "GET":
            return self._stored(key)
        if "content-type" in request.headers:
            raise S3Error(403, "SignatureDoesNotMatch", "Content-Type is not part of what was signed")
        declared = request.headers.get("content-length")
        if declared is None:
            raise S3Error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        if int(declared[:20]) > uploads.MAX_OBJECT_BYTES:
            raise TooLargeError
        if key.endswith("/"):
            raise S3Error(400, "InvalidArgument", "The key names a folder")
        await self._service.uploads.receive(request.stream(), f"{SCHEME}{key}")
        return Response(b"", 200, {"ETag": '"local"'})

    def _stored(self, key: str) -> Response:
        try:
            path = local_path(self._service.root, f"{SCHEME}{key}")
        except StorageError:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.") from None
        # As an attachment, so that a browser does not run it with the server's own origin.
        return FileResponse(path, media_type="application/octet-stream", filename=path.name)


def object_route(service: LocalService) -> Route:
    return Route(f"{PREFIX}/{{key:path}}", ObjectEndpoint(service), methods=["GET", "PUT"])


def _error(status: int, code: str, message: object) -> Response:
    text = f"<Error><Code>{code}</Code><Message>{escape(str(message))}</Message></Error>"
    return Response(f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', status, media_type="application/xml")
