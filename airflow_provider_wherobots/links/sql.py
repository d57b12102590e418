"""The link from a task instance to its SQL session."""

from __future__ import annotations

from airflow_provider_wherobots.links.run import StoredAddressLink
from airflow_provider_wherobots.xcoms import SQL_SESSION_URL_KEY


class WherobotsSqlSessionLink(StoredAddressLink):
    """Opens the console's page that lists SQL sessions, because a session has no known page of its own. Available as
    soon as the task has a session.
    """

    name = "Wherobots SQL sessions"
    address_key = SQL_SESSION_URL_KEY
