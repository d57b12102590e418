"""Waits for the file ``begin``, says a line of every kind that a job's log holds, waits for ``go``, and ends well.

The lines are what Spark's log4j, Python's logging and Python itself write; the caught error is a real one.
"""

import logging
import os
import sys
import time
import traceback
from pathlib import Path

GREEN, PLAIN = "\x1b[32m", "\x1b[0m"


def spark(level: str, logger: str, text: str) -> None:
    """Say a line in Spark's default pattern, with the present time."""
    print(f"{time.strftime('%y/%m/%d %H:%M:%S', time.gmtime())} {level} {logger}: {text}", file=sys.stderr)


logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
logging.Formatter.converter = time.gmtime
log = logging.getLogger("neighbours")

root = Path(os.environ["WHEROBOTS_LOCAL_ROOT"])
while not (root / "begin").exists():
    time.sleep(0.1)
spark("INFO", "SparkContext", "Running Spark version 4.0.1")
spark("INFO", "SedonaContext", "Sedona functions are registered")
spark("WARN", "NativeCodeLoader", "Unable to load native-hadoop library for your platform")
log.info("8,052 airports loaded")
log.warning("3 airports have no elevation; they are taken to lie at sea level")
try:
    {"ZRH": "Zürich"}["XYZ"]
except KeyError:
    log.error("The code XYZ is in no list; it is left out")
    traceback.print_exc()
print(f"{GREEN}Joined{PLAIN} 8,051 airports with their neighbours", flush=True)

while not (root / "go").exists():
    time.sleep(0.1)
log.info("The result is written")
