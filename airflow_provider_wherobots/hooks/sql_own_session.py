"""A session that a hook has made for itself, and that nobody else needs."""

from __future__ import annotations

from weakref import finalize

from airflow_provider_wherobots.hooks.wherobots import WherobotsHook

OWN_INACTIVE_SECONDS = 300
"""How long a hook's own session lives after its last connection, if nothing stops it."""
STOP_SECONDS = 5.0
"""How long stopping a session is tried that nobody needs any more."""


class OwnSession:
    """A session that a hook has made for itself: it ends with the hook, and with the connections that use it."""

    def __init__(self, rest: WherobotsHook, session_id: str) -> None:
        self.stop = finalize(self, _stop, rest, session_id)


def _stop(rest: WherobotsHook, session_id: str) -> None:
    from airflow_provider_wherobots.flows.sql.session import stop_session

    with rest.driver(may_reload=False) as driver:
        driver.run(stop_session(session_id, STOP_SECONDS))
