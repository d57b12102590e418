"""Prints numbered lines over a number of seconds. After a third of them it waits until a file exists.

Arguments: the number of lines, the seconds, and the file; an empty name means that it does not wait.
"""

import contextlib
import os
import sys
import time

# Real jobs run on other machines, so this one must not take CPU from Airflow. Linux first divides the CPU among the
# sessions (sched(7), "autogroup"), and each job has its own. The policy alone counts only within the session.
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
# Linux without autogroups has no such file, and lets an ordinary user write it only ten times a second in all.
with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as autogroup:
    autogroup.write("19")
lines, seconds, gate = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
for number in range(lines):
    if number == lines // 3:
        while gate and not os.path.exists(gate):
            time.sleep(1)
    print(f"line {number:06d} of the log", flush=True)
    time.sleep(seconds / lines)
