"""A metadata database for the commands that read one."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from airflow import models, settings
from airflow.models.base import Base

from airflow_provider_wherobots.compat import AIRFLOW


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """An empty metadata database, in SQLite; meanwhile it is the one of this process, which has none otherwise."""
    path = tmp_path / "airflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{path}")
        _connect()
        models.import_all_models()
        if AIRFLOW < (3, 0):
            # Its tables refer to those of its users.
            import_module("airflow.providers.fab.auth_manager.models")
        Base.metadata.create_all(settings.engine)
        yield path
        settings.dispose_orm()
    _connect()


def _connect() -> None:
    settings.configure_vars()
    settings.configure_orm()
