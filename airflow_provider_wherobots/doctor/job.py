"""The script that the doctor runs on the service. It uses only the standard library.

``job.py log`` prints known lines, which the doctor compares with the log. ``job.py sleep`` waits until it is ended.
"""

import sys
import time

LINES = tuple(f"doctor-line {number}" for number in range(1, 4_201))
"""More lines than a page of a log has."""
ERROR_LINES = tuple(f"doctor-error-line {number}" for number in range(1, 6))
"""The lines on standard error."""
LINES_PER_SECOND = 1_000
"""So the log grows while it is read."""
SLEEP_SECONDS = 1_800.0


def print_log() -> None:
    """Print the lines."""
    for line in ERROR_LINES:
        print(line, file=sys.stderr, flush=True)
    for number, line in enumerate(LINES, 1):
        print(line, flush=True)
        if number % LINES_PER_SECOND == 0:
            time.sleep(1.0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["sleep"]:
        time.sleep(SLEEP_SECONDS)
    else:
        print_log()
