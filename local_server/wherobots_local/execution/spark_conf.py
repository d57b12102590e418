"""The Spark settings of a run, as a configuration folder with a ``spark-defaults.conf``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from wherobots_local.execution.spark_settings import LOG4J_FILE, LOG4J_PROPERTIES

DEFAULTS_FILE = "spark-defaults.conf"
JARS = "spark.jars"

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}
_KEY_ESCAPES = {**_ESCAPES, " ": "\\ ", ":": "\\:", "=": "\\=", "#": "\\#", "!": "\\!"}


def with_jars(settings: Mapping[str, str], jars: Iterable[Path]) -> dict[str, str]:
    """Extend ``spark.jars`` of the settings by the run's JAR dependencies."""
    names = [name for name in [settings.get(JARS, ""), *map(str, jars)] if name]
    return {**settings, JARS: ",".join(names)} if names else dict(settings)


def user_conf_folder(own: Mapping[str, str]) -> Path | None:
    """Find the user's own Spark configuration: ``SPARK_CONF_DIR``, else ``SPARK_HOME/conf``, if that is a folder."""
    named = own.get("SPARK_CONF_DIR") or (os.path.join(own["SPARK_HOME"], "conf") if own.get("SPARK_HOME") else None)
    return Path(named) if named and os.path.isdir(named) else None


def write_conf_folder(
    folder: Path, settings: Mapping[str, str], user_folder: Path | None, defaults: Mapping[str, str] | None = None
) -> None:
    """Make a Spark configuration folder: the user's, with the run's settings after its defaults (the last one wins)."""
    if user_folder is not None:
        shutil.copytree(user_folder, folder)
    else:
        folder.mkdir(parents=True)
    if not any(folder.glob("log4j2*")):
        (folder / LOG4J_FILE).write_text(LOG4J_PROPERTIES, encoding="utf-8")
    file = folder / DEFAULTS_FILE
    users = file.read_text(encoding="utf-8") if file.exists() else ""
    if users and not users.endswith("\n"):
        users += "\n"
    file.write_text(properties(defaults or {}) + users + properties(settings), encoding="utf-8")


def properties(settings: Mapping[str, str]) -> str:
    """Write settings in the format of Java properties files, one per line."""
    return "".join(f"{_escaped(key, _KEY_ESCAPES)}={_escaped_value(value)}\n" for key, value in settings.items())


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)


def _escaped_value(value: str) -> str:
    text = _escaped(value, _ESCAPES)
    return f"\\{text}" if text.startswith(" ") else text
