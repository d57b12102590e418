"""A metadata database for the commands that read one."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from airflow.models.base import Base

from airflow_provider_wherobots.compat import AIRFLOW

# Without types.
MODELS, SETTINGS = import_module("airflow.models"), import_module("airflow.settings")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """An empty metadata database in SQLite, which this process uses during the test."""
    path = tmp_path / "airflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{path}")
        _connect()
        MODELS.import_all_models()
        if AIRFLOW < (3, 0):
            # Its tables refer to those of its users.
            import_module("airflow.providers.fab.auth_manager.models")
        Base.metadata.create_all(SETTINGS.engine)
        yield path
        SETTINGS.dispose_orm()
    _connect()


def _connect() -> None:
    SETTINGS.configure_vars()
    SETTINGS.configure_orm()
