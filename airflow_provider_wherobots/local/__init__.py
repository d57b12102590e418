"""A local stand-in for Wherobots: serves its API for runs and files, and runs the scripts on this machine.

Needs the extra ``local``; does not import Airflow.
"""

from __future__ import annotations

try:
    import psutil as _psutil  # noqa: F401
    import pydantic as _pydantic  # noqa: F401
    import starlette as _starlette  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "The local server needs the extra 'local': python -m pip install 'airflow-provider-wherobots[local]',"
        " or '.[local]' in a checkout",
        name=error.name,
    ) from error

from airflow_provider_wherobots.local.control.client import ControlClient, ControlError
from airflow_provider_wherobots.local.server import LocalServer
from airflow_provider_wherobots.local.settings import SettingsError

__all__ = ["ControlClient", "ControlError", "LocalServer", "SettingsError"]
