"""The commands of runs: lists of arguments, never a shell command."""

from __future__ import annotations

import os
import shutil
import site
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from wherobots_local import extras
from wherobots_local.execution.spark import LOOPBACK, with_jars
from wherobots_local.execution.workspace import Workspace
from wherobots_local.security import API_KEY_VARIABLE

NOTHING_RUNS_JARS = (
    "neither spark-submit nor java was found on the local server's PATH: install Apache Spark"
    f" ({extras.SPARK}, and Java 17 or 21), or a Java runtime such as Debian's"
    " default-jre-headless for a JAR that needs no Spark"
)

_MANIFEST = "META-INF/MANIFEST.MF"


class CommandError(Exception):
    """No program can run the script or JAR."""


def python_command(python: Path, script: Path, args: Sequence[str]) -> list[str]:
    """Return the command of a script: unbuffered, and with only the script's file, as on the service: its folder is not
    on the import path."""
    return [str(python), "-u", "-P", str(script), *args]


def limited_command(argv: list[str], mebibytes: int | None) -> list[str]:
    """A command whose processes can each allocate so much memory; None for any amount."""
    if mebibytes is None:
        return argv
    return ["/bin/sh", "-c", 'ulimit -d "$0" && exec "$@"', str(mebibytes * 1024), *argv]


def jar_command(
    environment: Mapping[str, str],
    python: Path,
    jar: Path,
    args: Sequence[str],
    *,
    main_class: str | None,
    class_path: Sequence[Path],
    settings: Mapping[str, str],
) -> list[str]:
    """Return the command of a JAR: ``spark-submit`` if it is found, else ``java`` with the ``spark.*`` settings as
    system properties.

    A PySpark of the run's interpreter, or of the server, has ``spark-submit`` in the same folder. Raises
    ``CommandError`` if no program is found or no class is named.
    """
    name = main_class or manifest_main_class(jar)
    if name is None:
        raise CommandError(f"runJar.mainClass is missing and the manifest of {jar.name} names no Main-Class")
    path = environment.get("PATH", "")
    # A virtual environment of the run sees the server's packages, but does not have their programs.
    places = os.pathsep.join([str(python.parent), os.path.dirname(sys.executable), path])
    if (submit := _find("spark-submit", environment.get("SPARK_HOME"), places)) is not None:
        command = [submit, "--class", name]
        for key, value in with_jars(settings, class_path).items():
            command += ["--conf", f"{key}={value}"]
        return [*command, str(jar), *args]
    if (java := _find("java", environment.get("JAVA_HOME"), path)) is not None:
        properties = [f"-D{key}={value}" for key, value in settings.items() if key.startswith("spark.")]
        return [java, *properties, "-cp", os.pathsep.join(map(str, [jar, *class_path])), name, *args]
    raise CommandError(NOTHING_RUNS_JARS)


def manifest_main_class(jar: Path) -> str | None:
    """Return the ``Main-Class`` of a JAR's manifest. Raises ``CommandError`` if the file is not a JAR."""
    try:
        with zipfile.ZipFile(jar) as archive:
            text = archive.read(_MANIFEST).decode("utf-8", errors="replace")
    except KeyError:
        return None
    except (zipfile.BadZipFile, OSError) as error:
        raise CommandError(f"{jar.name} is not a JAR: {error}") from None
    # A manifest line holds 72 bytes at most and continues on the next line after a space.
    for line in text.replace("\r\n", "\n").replace("\n ", "").splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() == "main-class" and value.strip():
            return value.strip()
    return None


def _find(program: str, home: str | None, path: str) -> str | None:
    places = f"{os.path.join(home, 'bin')}{os.pathsep}{path}" if home else path
    return shutil.which(program, path=places)


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
