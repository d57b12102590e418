"""The environment variables of a run's processes. No other variable of the server is passed on."""

from __future__ import annotations

import os
import site
from collections.abc import Iterable, Mapping
from pathlib import Path

from wherobots_local.execution.spark_settings import LOOPBACK
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
    own: Mapping[str, str],
    *,
    root: Path,
    run_id: str,
    folder: Path,
    home: Path,
    python: Path,
    python_path: Iterable[Path] = (),
    class_path: Iterable[Path] = (),
    spark_conf: Path | None = None,
    passed: Iterable[str] = (),
) -> dict[str, str]:
    """Build the environment of a script or JAR. ``home`` is not the user's home directory.

    The folder of the run's ``python`` comes first on ``PATH``. ``spark_conf`` of None leaves the user's own Spark
    configuration. ``passed`` are names of further variables of the server; the API key is never passed on.
    """
    environment = _inherited(own, passed)
    environment |= {
        "PATH": os.pathsep.join([str(python.parent), environment.get("PATH", _DEFAULT_PATH)]),
        "HOME": str(home),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        **user_packages(),
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
        "SPARK_LOCAL_IP": LOOPBACK,
        ROOT_VARIABLE: str(root),
        RUN_ID_VARIABLE: run_id,
        FILES_VARIABLE: str(folder / "files"),
    }
    if joined := os.pathsep.join(map(str, python_path)):
        environment["PYTHONPATH"] = joined
    if joined := os.pathsep.join(map(str, class_path)):
        environment["CLASSPATH"] = joined
    if spark_conf is not None:
        environment["SPARK_CONF_DIR"] = str(spark_conf)
    elif "SPARK_CONF_DIR" in own:
        environment["SPARK_CONF_DIR"] = own["SPARK_CONF_DIR"]
    return environment


def user_packages() -> dict[str, str]:
    """Return the variable by which a process with another ``HOME`` finds what ``pip install --user`` has installed."""
    return {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}


def install_environment(own: Mapping[str, str], *, folder: Path) -> dict[str, str]:
    """Build the environment of pip: with the user's home and pip settings, which may name an index and its login."""
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
