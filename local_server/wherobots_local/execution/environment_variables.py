"""The environment of a run's processes. Other variables of the server are not passed on."""

from __future__ import annotations

import os
import site
from collections.abc import Iterable, Mapping
from pathlib import Path

from wherobots_local.execution.spark_settings import LOOPBACK
from wherobots_local.execution.workspace import Workspace
from wherobots_local.security import API_KEY_VARIABLE

ROOT_VARIABLE = "WHEROBOTS_LOCAL_ROOT"
RUN_ID_VARIABLE = "WHEROBOTS_LOCAL_RUN_ID"
FILES_VARIABLE = "WHEROBOTS_LOCAL_FILES"

_INHERITED = (
    *("PATH", "TZ", "JAVA_HOME", "SPARK_HOME", "HADOOP_CONF_DIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_PIP_MUST_NOT_INSTALL_ELSEWHERE = frozenset({"PIP_TARGET", "PIP_USER", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON"})


def run_environment(
    own: Mapping[str, str], workspace: Workspace, run_id: str, python: Path, passed: Iterable[str] = ()
) -> dict[str, str]:
    """Build the environment of a script or JAR. ``passed`` names further variables of the server, but never the API
    key."""
    environment = _inherited(own, passed)
    environment |= {
        "PATH": os.pathsep.join([str(python.parent), environment.get("PATH", _DEFAULT_PATH)]),
        "HOME": str(workspace.home),
        "TMPDIR": str(workspace.temporary),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        **user_packages(),
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
        "SPARK_LOCAL_IP": LOOPBACK,
        ROOT_VARIABLE: str(workspace.root),
        RUN_ID_VARIABLE: run_id,
        FILES_VARIABLE: str(workspace.folder / "files"),
        "SPARK_CONF_DIR": str(workspace.spark_conf),
    }
    if joined := os.pathsep.join(map(str, workspace.python_path)):
        environment["PYTHONPATH"] = joined
    if joined := os.pathsep.join(map(str, workspace.class_path)):
        environment["CLASSPATH"] = joined
    return environment


def user_packages() -> dict[str, str]:
    """Let a process with another ``HOME`` find what ``pip install --user`` has installed."""
    return {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}


def install_environment(own: Mapping[str, str], *, folder: Path) -> dict[str, str]:
    """Build the environment of pip, with the user's home and pip settings: they can have an index and its login."""
    environment = _inherited(own, ())
    environment |= {
        key: value
        for key, value in own.items()
        if (key.startswith("PIP_") and key not in _PIP_MUST_NOT_INSTALL_ELSEWHERE)
        or key in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_CACHE_HOME")
    }
    environment |= {
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_USER": "0",
    }
    environment.setdefault("PATH", _DEFAULT_PATH)
    return environment


def _inherited(own: Mapping[str, str], passed: Iterable[str]) -> dict[str, str]:
    names = {*_INHERITED, *passed} - {API_KEY_VARIABLE}
    return {name: own[name] for name in sorted(names) if name in own}
