"""Says numbered lines over a number of seconds, the last two thirds of them once a file is there.

Arguments: how many lines, how many seconds, and the file; an empty name waits for none.
"""

import os
import sys
import time

# It stands for work on other machines, so it gives way to Airflow.
os.nice(10)
lines, seconds, gate = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
for number in range(lines):
    if number == lines // 3:
        while gate and not os.path.exists(gate):
            time.sleep(1)
    print(f"line {number:06d} of the log", flush=True)
    time.sleep(seconds / lines)
