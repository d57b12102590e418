"""The commands of runs: lists of arguments, never a shell command."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from wherobots_local import extras
from wherobots_local.execution.spark_settings import with_jars

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
