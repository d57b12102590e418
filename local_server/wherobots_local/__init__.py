"""A local Wherobots: serves its API for runs, storage and SQL sessions, and runs the scripts on this machine. Names are
imported at first use, so a pytest that only finds the plugin imports no web server."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wherobots_local.control.client import ControlClient, ControlError
    from wherobots_local.server import LocalServer
    from wherobots_local.settings import SettingsError

__version__ = "0.1.0"

__all__ = ["ControlClient", "ControlError", "LocalServer", "SettingsError"]

_MODULES = {
    "ControlClient": "control.client",
    "ControlError": "control.client",
    "LocalServer": "server",
    "SettingsError": "settings",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
