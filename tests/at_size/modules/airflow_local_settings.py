"""Keeps the garbage collector of a triggerer away from what Airflow has loaded.

Airflow imports this module when it starts.
"""

import gc
import os
import sys

if "triggerer" in sys.argv:
    os.register_at_fork(before=gc.freeze)
