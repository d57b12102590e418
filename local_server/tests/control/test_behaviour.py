"""Switches, without HTTP."""

from __future__ import annotations

import pytest

from wherobots_local.api.errors import ApiError
from wherobots_local.control.behaviour import Behaviour, patched


def test_switches_are_changed_together_or_not_at_all() -> None:
    changed = patched(Behaviour(), {"log_cursor": "opaque", "cancel_delay_seconds": 60})
    assert (changed.log_cursor, changed.cancel_delay_seconds, changed.create_status) == ("opaque", 60, 201)


@pytest.mark.parametrize(
    "changes",
    [
        {"log_cursor": "bytes"},
        {"log_next_page_when_caught_up": None},
        {"log_delay_seconds": -1},
        {"log_delay_seconds": float("nan")},
        {"log_max_size": 0},
        {"log_timestamp_resolution_ns": 1.5},
        {"cancel_finished_status": 404},
        {"timeout_as": "DEAD"},
        {"create_status": True},
        {"synthetic_runs": 1},
        {"max_timeout_seconds": 0},
        {"no_such_switch": 1},
        [],
    ],
)
def test_wrong_switches_are_refused(changes: object) -> None:
    with pytest.raises(ApiError) as raised:
        patched(Behaviour(), changes)
    assert raised.value.status == 422
