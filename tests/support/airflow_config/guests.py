"""An auth manager with guests, who may read what a viewer may, but no XComs."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

GUEST = "guest"


class GuestsAuthManager(SimpleAuthManager):
    """Airflow's simple auth manager, which has no roles for parts of a DAG."""

    def is_authorized_dag(self, *, user: SimpleAuthManagerUser, **details: Any) -> bool:
        """Whether a user may use a part of a DAG."""
        if user.username == GUEST and details.get("access_entity") is DagAccessEntity.XCOM:
            return False
        return super().is_authorized_dag(user=user, **details)
