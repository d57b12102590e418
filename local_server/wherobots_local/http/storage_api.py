"""The operations for storage. Bytes of files are sent by ``objects.py``."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import RedirectResponse, Response

from wherobots_local.api.errors import ApiError
from wherobots_local.api.requests import (
    DirectoryQuery,
    FolderQuery,
    IntegrationDirectoryQuery,
    KeyQuery,
    RenameQuery,
)
from wherobots_local.files import contents
from wherobots_local.files.uploads import Source, source, source_of_bucket, sources
from wherobots_local.http.faults import OperationTable, ReceivedCall
from wherobots_local.http.messages import origin_of
from wherobots_local.storage import SCHEME, place_of
from wherobots_local.views.account import access_view, directory_view, listing_view, source_view


def _credentials(_: ReceivedCall) -> None:
    raise ApiError(
        404, "the local server gives no temporary keys", "Upload with POST /storage/{id}/file-upload-url/{path}."
    )


# By the id of a storage, and a path in it.


def _upload_url(call: ReceivedCall) -> dict[str, str]:
    address = _file(call)
    return {"destination": address, "uploadUrl": _url(call, "PUT", address.removeprefix(SCHEME))}


def _download(call: ReceivedCall) -> Response:
    return _redirected(call, _file(call))


def _delete(call: ReceivedCall) -> None:
    contents.remove_file(call.service.root, _file(call))


def _rename(call: ReceivedCall) -> None:
    address = _file(call)
    contents.rename_file(call.service.root, address, call.query(RenameQuery).new_name)


def _list_folder(call: ReceivedCall) -> dict[str, Any]:
    storage, path = _storage_and_path(call)
    query = call.query(FolderQuery)
    page = contents.folder_page(call.service.root, storage.address(path), limit=query.limit, cursor=query.cursor)
    return listing_view(page, path, query.cursor)


def _make_folder(call: ReceivedCall) -> None:
    contents.make_folder(call.service.root, _folder(call))


def _remove_folder(call: ReceivedCall) -> None:
    contents.remove_folder(call.service.root, _folder(call))


# By bucket and key.


def _directory(call: ReceivedCall) -> dict[str, Any]:
    key = call.query(DirectoryQuery).dir
    source_of_bucket(call.service.root, key.partition("/")[0])
    return directory_view(contents.folder_page(call.service.root, f"{SCHEME}{key}"), key)


def _integration_directory(call: ReceivedCall) -> dict[str, Any]:
    query = call.query(IntegrationDirectoryQuery)
    address = source(call.service.root, query.integration_id).address(query.dir)
    return directory_view(contents.folder_page(call.service.root, address), address.removeprefix(SCHEME))


def _source(call: ReceivedCall) -> Source:
    return source(call.service.root, call.request.path_params["integration_id"])


def _storage_and_path(call: ReceivedCall) -> tuple[Source, str]:
    path: str = call.request.path_params["path"]
    return source(call.service.root, call.request.path_params["storage_id"]), path.removesuffix("/")


def _file(call: ReceivedCall) -> str:
    if call.request.path_params["path"].endswith("/"):
        raise ApiError(400, "the path names a folder, but must name a file")
    return _folder(call)


def _folder(call: ReceivedCall) -> str:
    """Return the address of the requested folder, which is not the storage itself."""
    storage, path = _storage_and_path(call)
    if not path:
        raise ApiError(400, "the path is empty, but must name something in the storage")
    return _checked(call, storage.address(path))


def _key(call: ReceivedCall) -> str:
    key = call.query(KeyQuery).key
    source_of_bucket(call.service.root, key.partition("/")[0])
    if not key.partition("/")[2] or key.endswith("/"):
        raise ApiError(400, f"key is {key!r}, but must be a bucket and the key of a file in it")
    _checked(call, f"{SCHEME}{key}")
    return key


def _checked(call: ReceivedCall, address: str) -> str:
    with contents.storage_errors(address):
        place_of(call.service.root, address)
    return address


def _redirected(call: ReceivedCall, address: str) -> Response:
    """Redirect to a URL of the file that needs no key."""
    with contents.storage_errors(address):
        if not place_of(call.service.root, address).is_file():
            raise FileNotFoundError
    return RedirectResponse(_url(call, "GET", address.removeprefix(SCHEME)), 307)


def _url(call: ReceivedCall, method: str, key: str) -> str:
    return call.service.url_signer.url(origin_of(call.request.scope), method, key, time.time())


OPERATIONS: OperationTable = (
    ("GET", "/storage", "listIntegration", lambda call: [*map(source_view, sources(call.service.root))]),
    ("POST", "/storage/credentials", "getStorageCredentials", _credentials),
    ("GET", "/storage/{integration_id}", "getIntegration", lambda call: source_view(_source(call))),
    ("POST", "/storage/{integration_id}/access", "verifyIntegrationAccess", lambda call: access_view(_source(call))),
    ("POST", "/storage/{storage_id}/file-upload-url/{path:path}", "createFileUploadUrl", _upload_url),
    ("GET", "/storage/{storage_id}/files/{path:path}", "downloadFileFromStorage", _download),
    ("DELETE", "/storage/{storage_id}/files/{path:path}", "deleteFileFromStorage", _delete),
    ("POST", "/storage/{storage_id}/file-rename/{path:path}", "renameFileInStorage", _rename),
    ("GET", "/storage/{storage_id}/directories/{path:path}", "listDirectoryContents", _list_folder),
    ("PUT", "/storage/{storage_id}/directories/{path:path}", "createDirectory", _make_folder),
    ("DELETE", "/storage/{storage_id}/directories/{path:path}", "deleteDirectory", _remove_folder),
    ("POST", "/files/upload-url", "createUploadUrl", lambda call: {"uploadUrl": _url(call, "PUT", _key(call))}),
    ("GET", "/files/download", "downloadFile", lambda call: _redirected(call, f"{SCHEME}{_key(call)}")),
    ("GET", "/files/dir", "getDirectory", _directory),
    ("GET", "/files/integration-dir", "getIntegrationDirectory", _integration_directory),
)
