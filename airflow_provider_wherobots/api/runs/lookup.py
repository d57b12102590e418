"""The rules of the arguments by which a run is looked up that another program has created."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from airflow_provider_wherobots.api.errors import InvalidArgumentError

_RUN_ID = re.compile(r"[!-~]{1,255}")


def check_run_id(run_id: Any) -> None:
    """Check the id of a run. Raises an ``InvalidArgumentError``."""
    # A template of an XCom that is not there renders to "None".
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id) or run_id == "None":
        raise InvalidArgumentError(f"run_id={run_id!r}: must be the id of a run")


def moment_of(value: Any) -> datetime | None:
    """Read ``created_after``. Without an offset it is UTC. Raises an ``InvalidArgumentError``."""
    moment = value
    if isinstance(value, str):
        with suppress(ValueError):
            moment = datetime.fromisoformat(value.strip())
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise InvalidArgumentError(f"created_after={value!r}: must be a datetime, or ISO 8601 text")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
