"""Prints numbered lines over a number of seconds. After a third of them it waits until a file exists.

Arguments: the number of lines, the seconds, and the file; an empty name means that it does not wait.
"""

import os
import sys
import time

# Real jobs run on other machines, so this one must not take CPU from Airflow.
os.nice(10)
lines, seconds, gate = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
for number in range(lines):
    if number == lines // 3:
        while gate and not os.path.exists(gate):
            time.sleep(1)
    print(f"line {number:06d} of the log", flush=True)
    time.sleep(seconds / lines)
