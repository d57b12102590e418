"""The example's Spark job, which stops its Spark only when there is the file ``go``."""

import os
import runpy
import time
from pathlib import Path

from pyspark.sql import SparkSession

ROOT = Path(os.environ["WHEROBOTS_LOCAL_ROOT"])
stop = SparkSession.stop


def stop_later(spark: SparkSession) -> None:
    """Stop Spark as soon as there is the file."""
    while not (ROOT / "go").exists():
        time.sleep(0.1)
    stop(spark)


SparkSession.stop = stop_later
runpy.run_path(str(ROOT / "wherobots-demo" / "jobs" / "the_rain.py"), run_name="__main__")
