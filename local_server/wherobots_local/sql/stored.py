"""Where results of statements are stored."""

from __future__ import annotations

import time
from typing import Any

from wherobots_local.api.sql_requests import StoreRequest
from wherobots_local.files.presigned import UrlSigner
from wherobots_local.files.sources import USER_FILES
from wherobots_local.sql.engine import EngineError, Executed, StoreTarget
from wherobots_local.storage import SCHEME

_FOLDER = "sql-results"


class StoredResults:
    """Stored results in the user's managed storage. They are kept."""

    def __init__(self, signer: UrlSigner) -> None:
        self._signer = signer

    def target(self, request: StoreRequest, key: str) -> StoreTarget:
        """Choose the place of a result. Each execution has its own key. Raises an ``EngineError`` for several files
        with a presigned URL."""
        if request.generate_presigned_url and not request.single:
            raise EngineError("generate_presigned_url needs single: only one file can have a presigned URL")
        address = USER_FILES.address(f"{_FOLDER}/{key}")
        return StoreTarget(request.format, bool(request.single), address, request.options)

    def shown(self, request: StoreRequest, executed: Executed, origin: str) -> dict[str, Any]:
        """Return ``result_uri``, None without rows, and ``size`` if it is known."""
        uri = executed.result_uri
        if uri is not None and request.generate_presigned_url:
            uri = self._signer.url(origin, "GET", uri.removeprefix(SCHEME), time.time())
        return {"result_uri": uri, **({} if executed.size is None else {"size": executed.size})}
