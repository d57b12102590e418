"""Why a run failed, in one line, and advice for known failures of Spark."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from itertools import islice

from wherobots_local import extras

_ERROR = re.compile(
    r"^\s*(?:Caused by: |Exception in thread [^ ]+ |ERROR: )?"
    r"(?:[\w$]+\.)*[A-Z][\w$]*(?:Error|Exception|Exit|Interrupt)\b|^\s*(?:ERROR|FATAL|error)\b"
)
_LINES_SEARCHED = 200
_MAX_LENGTH = 500

# Not a path: the wheel does not contain the documentation.
SECTION = 'see "Sedona" in the documentation'

_INSTALL_JAVA = "install Java 17 or 21, such as the package openjdk-21-jre-headless"
_SEDONA_JARS = (
    "Apache Sedona's JARs are missing: name them in spark.jars.packages or spark.jars, or use SedonaDB"
    f" or plain Spark SQL on the local server ({SECTION})"
)
_KNOWN = (
    (r"UnsupportedClassVersionError", f"Java is too old for this Spark or JAR: {_INSTALL_JAVA}"),
    (r"No module named 'pyspark", f"PySpark is not installed in the local server's Python: {extras.SPARK}"),
    (
        r"No module named 'sedona(?!db)",
        "Apache Sedona is not installed in the local server's Python: pip install apache-sedona pandas, and give the"
        f" run Sedona's JARs ({SECTION})",
    ),
    (
        r"unresolved dependency: ",
        "Spark could not download spark.jars.packages: check the names, and that Maven Central can be reached, or"
        f" name downloaded JARs in spark.jars ({SECTION})",
    ),
    (r"'JavaPackage' object is not callable|ClassNotFoundException: org\.apache\.sedona\.", _SEDONA_JARS),
    (r"Cannot resolve routine `(?:ST|RS)_|Undefined function: `?(?:ST|RS)_", _SEDONA_JARS),
    (
        r"Could not initialize target File System for URI : s3a?://(?P<bucket>[^/]+)",
        "Spark on the local server reaches only buckets that are there when the run starts: create the folder"
        " {bucket} under the server's root first",
    ),
)
_NO_JAVA = re.compile(r"JAVA_GATEWAY_EXITED|JAVA_HOME is not set")


def failure_message(exit_code: int, lines: Sequence[str]) -> str:
    """Describe the end of a process: ``The process exited with code 1: ValueError: no such column``."""
    if exit_code < 0:
        ending = f"The process was ended by signal {-exit_code}{_signal_name(-exit_code)}"
    else:
        ending = f"The process exited with code {exit_code}"
    line = last_error_line(lines)
    return f"{ending}: {line}" if line else ending


def last_error_line(lines: Sequence[str]) -> str | None:
    """Return the newest line that looks like an error, else the newest that is not blank, cut to 500 characters."""
    newest = [line.strip() for line in islice(reversed(lines), _LINES_SEARCHED) if line.strip()]
    found = next((line for line in newest if _ERROR.match(line)), newest[0] if newest else None)
    return found[:_MAX_LENGTH] if found else None


def _signal_name(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""


def advice(lines: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Return what a user can do about a known failure of Spark, without a full stop."""
    text = "\n".join(lines)
    if _NO_JAVA.search(text) and not _has_java(environment):
        home = environment.get("JAVA_HOME")
        where = f"there is none in JAVA_HOME ({home})" if home else "there is none on the local server's PATH"
        return f"Spark needs Java, and {where}: {_INSTALL_JAVA}"
    found = ((re.search(pattern, text), what) for pattern, what in _KNOWN)
    return next((what.format(**match.groupdict()) for match, what in found if match is not None), None)


def _has_java(environment: Mapping[str, str]) -> bool:
    # Where JAVA_HOME is set, Spark looks nowhere else.
    home = environment.get("JAVA_HOME")
    path = os.path.join(home, "bin") if home else environment.get("PATH", "")
    return shutil.which("java", path=path) is not None
