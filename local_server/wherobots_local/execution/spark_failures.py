"""What to do about a failure of Spark that a user can cure, told by the end of the run's log."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence

from wherobots_local import extras

# Not a path: a wheel has no pages.
SECTION = 'see "Sedona" in the documentation'

_INSTALL_JAVA = "install Java 17 or 21, such as Debian's default-jre-headless"
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


def advice(lines: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Return what to do about a failure, without a full stop; None if the failure is not a known one of Spark."""
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
