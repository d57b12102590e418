"""Where results of statements are stored."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wherobots_local.api.sql_requests import StoreRequest
from wherobots_local.control.behaviour import Behaviour
from wherobots_local.files.presigned import UrlSigner
from wherobots_local.files.sources import USER_FILES
from wherobots_local.sql.engine import EngineError, Executed, StoreTarget
from wherobots_local.storage import SCHEME, place_of


class StoredResults:
    """Stored results in the user's managed storage. Belongs to one event loop."""

    def __init__(self, root: Path, signer: UrlSigner, rules: Callable[[], Behaviour]) -> None:
        self._root = root
        self._signer = signer
        self._rules = rules

    def target(self, request: StoreRequest, key: str) -> StoreTarget:
        """Choose the place of a result. Each execution has its own key. Raises an ``EngineError`` for several files
        with a presigned URL."""
        rules = self._rules()
        single = rules.sql_store_single if request.single is None else request.single
        if request.generate_presigned_url and not single:
            raise EngineError("generate_presigned_url needs single: only one file can have a presigned URL")
        return StoreTarget(
            request.format, single, USER_FILES.address(f"{rules.sql_store_folder}/{key}"), request.options
        )

    def keep(self, executed: Executed) -> None:
        """Remove a result after ``sql_store_seconds``."""
        seconds = self._rules().sql_store_seconds
        if executed.result_uri is not None and seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._remove, executed.result_uri)

    def shown(self, request: StoreRequest, executed: Executed, origin: str) -> dict[str, Any]:
        """Return ``result_uri``, None without rows, and ``size`` if it is known."""
        uri = executed.result_uri
        if uri is not None and request.generate_presigned_url:
            uri = self._signer.url(origin, "GET", uri.removeprefix(SCHEME), time.time())
        return {"result_uri": uri, **({} if executed.size is None else {"size": executed.size})}

    def _remove(self, address: str) -> None:
        place = place_of(self._root, address)
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                place.unlink()
