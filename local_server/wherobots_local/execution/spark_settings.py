"""The Spark settings that the server gives each run. The user's own and those of the run override them."""

from __future__ import annotations

from pathlib import Path

from wherobots_local.execution.spark_storage import storage_settings

LOOPBACK = "127.0.0.1"
"""Where Spark listens: its ports know no key, and a machine's own name may not resolve."""

_JAVA_OPTIONS = "spark.driver.defaultJavaOptions"

LOG4J_FILE = "log4j2.properties"
LOG4J_PROPERTIES = """\
# Spark's own default, with the level INFO for PySpark too, as with spark-submit.
rootLogger.level = info
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.pyspark.name = org.apache.spark.api.python.PythonGatewayServer
logger.pyspark.level = info
"""
"""How Spark logs if the user's configuration does not say."""


def server_settings(root: Path, folder: Path, temporary: Path) -> dict[str, str]:
    """Return the settings of the server. ``temporary`` gets the JVM's temporary files, also those of shuffles."""
    # At a comma Spark would read two folders.
    options = {} if "," in str(temporary) else {_JAVA_OPTIONS: f"-Djava.io.tmpdir={_quoted(str(temporary))}"}
    return {
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        # A progress bar is no line of a log.
        "spark.ui.showConsoleProgress": "false",
        # Spark's default is the same folder, but wrong where its path has a space or another such character.
        "spark.sql.warehouse.dir": str(folder / "spark-warehouse"),
        **options,
        **storage_settings(root),
    }


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
